// The tries and tables of a vocabulary.
#include "tokenizer/wordpiece.h"

namespace fusebert {

WordPiece::WordPiece(const std::vector<Trie::Entry>& vocab,
                     std::string_view continuing_subword_prefix, int32_t unk_id)
    : initial_(vocab), short_initial_(vocab), unk_id_(unk_id) {
  // Cutting a common prefix keeps the order.
  std::vector<Trie::Entry> continuing;
  for (const Trie::Entry& entry : vocab) {
    if (entry.key.size() <= continuing_subword_prefix.size()) continue;
    if (entry.key.substr(0, continuing_subword_prefix.size()) != continuing_subword_prefix) {
      continue;
    }
    continuing.push_back({entry.key.substr(continuing_subword_prefix.size()), entry.id});
  }
  continuing_ = Trie(continuing);
  short_continuing_ = TokenTable(continuing);
}

}  // namespace fusebert
