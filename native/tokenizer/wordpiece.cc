// Greedy longest-match cutting of words.
#include "tokenizer/wordpiece.h"

namespace fusebert {

WordPiece::WordPiece(const std::vector<Trie::Entry>& vocab,
                     std::string_view continuing_subword_prefix, int32_t unk_id)
    : initial_(vocab), unk_id_(unk_id) {
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
}

void WordPiece::tokenize(const Word& word, std::vector<Token>& tokens) const {
  const size_t before = tokens.size();
  const std::string_view bytes = word.bytes();
  size_t start = 0;
  while (!word.too_long() && start < bytes.size()) {
    const Trie& trie = start == 0 ? initial_ : continuing_;
    const Trie::Match match = trie.longest_prefix(bytes.substr(start));
    if (match.id < 0) break;
    tokens.push_back({match.id, word.span(start, start + match.length)});
    start += match.length;
  }
  if (!word.too_long() && start == bytes.size()) return;
  tokens.resize(before);
  tokens.push_back({unk_id_, word.span()});
}

}  // namespace fusebert
