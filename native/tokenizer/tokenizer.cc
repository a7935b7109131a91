// Puts the stages together: checks a specification once, then encodes texts and pairs.
#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <limits>
#include <unordered_set>

#include "tokenizer/decoder.h"
#include "tokenizer/scratch_pool.h"
#include "tokenizer/template.h"
#include "tokenizer/text_encoder.h"
#include "tokenizer/truncation.h"

namespace fusebert {

namespace {

// Bounds on what an untrusted file can ask for, far above any real vocabulary.
constexpr size_t kMaxVocabSize = size_t{1} << 24;
constexpr size_t kMaxVocabBytes = size_t{1} << 28;
constexpr size_t kMaxTemplatePieces = 64;    // bounds what a template repeats
constexpr int64_t kMaxTokens = std::numeric_limits<int32_t>::max();
constexpr size_t kMaxTextBytes = std::numeric_limits<int32_t>::max();

Status format_error(std::string message) {
  return Status(StatusCode::kTokenizerFormat, std::move(message));
}

Status too_many_tokens() {
  return Status(StatusCode::kInputTooLong, "Expected at most 2^31 - 1 tokens in one batch.");
}

// The vocabulary's tokens, sorted; an error when one is there twice or is too long.
Result<std::vector<Trie::Entry>> sort_vocab(const std::vector<std::string>& vocab) {
  if (vocab.empty() || vocab.size() > kMaxVocabSize) {
    return format_error("Expected 1 to " + std::to_string(kMaxVocabSize) +
                        " tokens in the vocabulary but received " +
                        std::to_string(vocab.size()) + ".");
  }
  std::vector<Trie::Entry> entries;
  size_t bytes = 0;
  for (size_t id = 0; id < vocab.size(); ++id) {
    bytes += vocab[id].size();
    if (vocab[id].size() > kMaxTokenBytes || bytes > kMaxVocabBytes) {
      return format_error("Expected tokens of at most " + std::to_string(kMaxTokenBytes) +
                          " bytes and " + std::to_string(kMaxVocabBytes) +
                          " in all, but the one with id " + std::to_string(id) + " exceeds that.");
    }
    if (!vocab[id].empty()) entries.push_back({vocab[id], static_cast<int32_t>(id)});
  }
  std::sort(entries.begin(), entries.end(), token_before);
  for (size_t i = 1; i < entries.size(); ++i) {
    if (entries[i].key != entries[i - 1].key) continue;
    return format_error("Expected each token once in the vocabulary but ids " +
                        std::to_string(entries[i - 1].id) + " and " +
                        std::to_string(entries[i].id) + " are the same token.");
  }
  return entries;
}

// Ids of added tokens are their ids in the vocabulary, or new ones. Adds the new ones to `vocab`.
Status merge_added_tokens(const std::vector<AddedToken>& added, const TextEncoder& encoder,
                          std::vector<std::string>& vocab) {
  for (const AddedToken& token : added) {
    const std::string id = std::to_string(token.id);
    if (token.content.empty() || token.content.size() > kMaxTokenBytes) {
      return format_error("Expected added tokens of 1 to " + std::to_string(kMaxTokenBytes) +
                          " bytes but the one with id " + id + " is not.");
    }
    if (token.id < 0 || static_cast<size_t>(token.id) >= kMaxVocabSize) {
      return format_error("Expected ids from 0 to " + std::to_string(kMaxVocabSize - 1) +
                          " for added tokens but received " + id + ".");
    }
    const auto index = static_cast<size_t>(token.id);
    const int32_t known = encoder.token_to_id(token.content);
    if (known >= 0 && known != token.id) {
      return format_error("Expected id " + std::to_string(known) +
                          ", as in the vocabulary, for an added token but received " + id + ".");
    }
    if (index >= vocab.size()) vocab.resize(index + 1);
    if (!vocab[index].empty() && vocab[index] != token.content) {
      return format_error("Expected one token for id " + id + " but there are two.");
    }
    vocab[index] = token.content;
  }
  return Status();
}

Status check_template(const std::vector<TemplatePiece>& pieces, bool pair,
                      const std::vector<std::string>& vocab) {
  if (pieces.size() > kMaxTemplatePieces) {
    return format_error("Expected at most " + std::to_string(kMaxTemplatePieces) +
                        " pieces in a template but received " + std::to_string(pieces.size()) +
                        ".");
  }
  for (const TemplatePiece& piece : pieces) {
    if (piece.type_id < 0) return format_error("Expected token types of at least 0 in a template.");
    if (!pair && piece.kind == TemplatePiece::Kind::kSequenceB) {
      return format_error("Expected no second text in the template for a single text.");
    }
    if (piece.kind != TemplatePiece::Kind::kSpecialToken) continue;
    const auto index = static_cast<size_t>(piece.id);
    if (piece.id < 0 || index >= vocab.size() || vocab[index].empty()) {
      return format_error("Expected special tokens of the vocabulary in a template but there is " +
                          ("no token with id " + std::to_string(piece.id)) + ".");
    }
  }
  return Status();
}

// The finder of those added tokens whose `normalized` flag is as given.
Result<AddedTokenFinder> make_finder(const std::vector<AddedToken>& added, bool normalized,
                                     const TextEncoder& encoder) {
  std::vector<AddedToken> tokens;
  std::vector<std::string> patterns;
  for (const AddedToken& token : added) {
    if (token.normalized != normalized) continue;
    patterns.push_back(normalized ? encoder.normalize(token.content) : token.content);
    tokens.push_back(token);
  }
  return AddedTokenFinder::create(std::move(tokens), patterns);
}

}  // namespace

struct Tokenizer::Impl {
  std::unique_ptr<const TextEncoder> encoder;
  AddedTokenFinders finders;
  mutable ScratchPool scratch;
  std::vector<std::string> vocab;            // token of an id
  std::vector<AddedToken> added_tokens;
  std::vector<Trie::Entry> added;            // sorted; keys are in `added_tokens`
  std::unordered_set<std::string_view> special;  // contents of special ones, in `added_tokens`
  std::vector<TemplatePiece> single_template;
  std::vector<TemplatePiece> pair_template;
  DecoderSpec decoder;

  const std::vector<TemplatePiece>& pieces(bool pair) const {
    return pair ? pair_template : single_template;
  }
};

Tokenizer::Tokenizer(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::~Tokenizer() = default;

Result<std::shared_ptr<const Tokenizer>> Tokenizer::create(TokenizerSpec spec) {
  Result<std::vector<Trie::Entry>> entries = sort_vocab(spec.vocab);
  if (!entries.ok()) return entries.status();
  const VocabularyView view{spec.vocab, entries.value()};
  auto encoder = std::visit([&](const auto& model) { return make_encoder(model, view); },
                            spec.model);
  if (!encoder.ok()) return encoder.status();
  auto impl = std::make_unique<Impl>();
  impl->encoder = std::move(encoder.value());
  for (const bool normalized : {false, true}) {
    auto finder = make_finder(spec.added_tokens, normalized, *impl->encoder);
    if (!finder.ok()) return finder.status();
    (normalized ? impl->finders.normalized : impl->finders.original) = std::move(finder.value());
  }
  impl->vocab = std::move(spec.vocab);
  FUSEBERT_RETURN_IF_ERROR(merge_added_tokens(spec.added_tokens, *impl->encoder, impl->vocab));
  FUSEBERT_RETURN_IF_ERROR(check_template(spec.single_template, false, impl->vocab));
  FUSEBERT_RETURN_IF_ERROR(check_template(spec.pair_template, true, impl->vocab));
  impl->added_tokens = std::move(spec.added_tokens);
  for (const AddedToken& token : impl->added_tokens) {
    impl->added.push_back({token.content, token.id});
    if (token.special) impl->special.insert(token.content);
    // The reference gives back what it searched for.
    std::string& shown = impl->vocab[static_cast<size_t>(token.id)];
    if (token.normalized) shown = impl->encoder->normalize(token.content);
  }
  std::sort(impl->added.begin(), impl->added.end(), token_before);
  impl->single_template = std::move(spec.single_template);
  impl->pair_template = std::move(spec.pair_template);
  impl->decoder = std::move(spec.decoder);
  return std::shared_ptr<const Tokenizer>(new Tokenizer(std::move(impl)));
}

// What a text and its pair become before the template.
struct Tokenizer::Pass {
  Kept kept;
  int64_t total = 0;  // with special tokens
  bool truncated = false;
};

Tokenizer::Session::Session(const Tokenizer& tokenizer)
    : impl_(*tokenizer.impl_), scratch_(impl_.scratch.take(impl_.encoder->cache_bits())) {}

Tokenizer::Session::~Session() { impl_.scratch.give_back(std::move(scratch_)); }

Result<Tokenizer::Pass> Tokenizer::Session::tokenize(std::string_view text,
                                                     std::optional<std::string_view> pair,
                                                     const EncodeOptions& options) {
  EncodeScratch& scratch = *scratch_;
  const std::vector<TemplatePiece>& pieces = impl_.pieces(pair.has_value());
  const int64_t special = options.add_special_tokens ? count_special_tokens(pieces) : 0;
  if (options.max_length < 0 || (options.max_length > 0 && options.max_length < special)) {
    return Status(StatusCode::kInvalidArgument,
                  "Expected at least " + std::to_string(special) +
                      ", the number of special tokens, for max_length but received " +
                      std::to_string(options.max_length) + ".");
  }
  if (std::max(text.size(), pair.value_or("").size()) > kMaxTextBytes) {
    return Status(StatusCode::kInputTooLong, "Expected texts of less than 2 GiB.");
  }
  const bool limited = options.max_length > 0;
  const int64_t limit = limited ? options.max_length : kMaxTokens;
  const bool truncates = limited && options.truncation != Truncation::kNone;
  const bool keep_first = options.truncation == Truncation::kOnlySecond;
  const auto encode_text = [&](std::string_view one, int64_t enough, TokenBuffer& tokens) {
    tokens.start(options.offsets != OffsetUnit::kNone);
    const SequenceOptions sequence{enough, options.overflowing,
                                   options.offsets == OffsetUnit::kUtf16};
    return impl_.encoder->encode(one, impl_.finders, sequence, scratch, tokens);
  };
  int64_t first = encode_text(text, keep_first ? kMaxTokens : limit, scratch.first);
  scratch.second.start(false);
  int64_t second = pair ? encode_text(*pair, limit, scratch.second) : 0;
  const bool both_reach = pair && limited && first >= limit && second >= limit;
  if (both_reach && options.whole_lengths && options.truncation == Truncation::kLongestFirst) {
    first = encode_text(text, kMaxTokens, scratch.first);
    // Whether it is the longer one is all that matters.
    second = encode_text(*pair, std::max(limit, first + 1), scratch.second);
  }
  const auto first_size = static_cast<int64_t>(scratch.first.size());
  const auto second_size = static_cast<int64_t>(scratch.second.size());
  Pass pass{{first_size, second_size}};
  if (truncates) {
    const auto kept = truncate(options.truncation, first,
                               pair ? std::optional(second) : std::nullopt,
                               options.max_length - special);
    if (!kept.ok()) return kept.status();
    pass.kept = kept.value();
  }
  pass.total = count_tokens(pieces, pass.kept.first, pass.kept.second, options.add_special_tokens);
  pass.truncated = pass.kept.first < first_size || pass.kept.second < second_size;
  if (limited && !truncates && pass.total > options.max_length) {
    return Status(StatusCode::kInputTooLong,
                  "Expected a text of at most " + std::to_string(options.max_length) +
                      " tokens but received a longer one. Use truncation: true or a shorter text.");
  }
  return pass;
}

Status Tokenizer::Session::encode(std::string_view text, std::optional<std::string_view> pair,
                                  const EncodeOptions& options, PackedEncoding& out) {
  if (options.drop_empty_pairs && pair && pair->empty()) pair.reset();
  const auto pass = tokenize(text, pair, options);
  if (!pass.ok()) return pass.status();
  const auto [kept, total, truncated] = pass.value();
  const WindowPair whole{{0, kept.first}, {0, kept.second}};
  std::span<const WindowPair> windows(&whole, 1);
  std::vector<WindowPair> several;
  if (options.overflowing && truncated) {
    const TextLengths lengths{static_cast<int64_t>(scratch_->first.size()),
                              static_cast<int64_t>(scratch_->second.size())};
    several.push_back(whole);
    FUSEBERT_RETURN_IF_ERROR(add_overflowing(kept, lengths, options.stride, several));
    windows = several;
  }
  // A window is at most as long as the first, so this bounds the sum.
  const auto appended = static_cast<int64_t>(windows.size()) * total;
  if (appended + static_cast<int64_t>(out.input_ids.size()) > kMaxTokens) {
    return too_many_tokens();
  }
  for (const WindowPair& window : windows) {
    append_sequence(impl_.pieces(pair.has_value()),
                    {scratch_->first, window.first.begin, window.first.count},
                    {scratch_->second, window.second.begin, window.second.count}, options, out);
  }
  if (truncated) ++out.truncated;
  return Status();
}

Result<int64_t> Tokenizer::Session::count(std::string_view text,
                                          std::optional<std::string_view> pair,
                                          const EncodeOptions& options) {
  if (options.drop_empty_pairs && pair && pair->empty()) pair.reset();
  const auto pass = tokenize(text, pair, options);
  if (!pass.ok()) return pass.status();
  if (pass.value().total > kMaxTokens) return too_many_tokens();
  return pass.value().total;
}

Status Tokenizer::encode(std::string_view text, std::optional<std::string_view> pair,
                         const EncodeOptions& options, PackedEncoding& out) const {
  return Session(*this).encode(text, pair, options, out);
}

Result<int64_t> Tokenizer::count(std::string_view text, std::optional<std::string_view> pair,
                                 const EncodeOptions& options) const {
  return Session(*this).count(text, pair, options);
}

std::string Tokenizer::decode(std::span<const int32_t> ids, const DecodeOptions& options) const {
  std::string text;
  Decoder decoder(impl_->decoder, text);
  for (const int32_t id : ids) {
    const std::string_view token = id_to_token(id);
    if (token.empty() || (options.skip_special_tokens && impl_->special.contains(token))) continue;
    decoder.push(token);
  }
  decoder.finish();
  if (options.clean_up_tokenization_spaces) clean_up_tokenization(text);
  return text;
}

std::string Tokenizer::decode_tokens(std::span<const std::string_view> tokens) const {
  std::string text;
  Decoder decoder(impl_->decoder, text);
  for (const std::string_view token : tokens) decoder.push(token);
  decoder.finish();
  return text;
}

int64_t Tokenizer::vocab_size() const { return static_cast<int64_t>(impl_->vocab.size()); }

int32_t Tokenizer::token_to_id(std::string_view token) const {
  const int32_t added = find_entry(impl_->added, token);
  return added >= 0 ? added : impl_->encoder->token_to_id(token);
}

std::string_view Tokenizer::id_to_token(int32_t id) const {
  if (id < 0 || static_cast<size_t>(id) >= impl_->vocab.size()) return {};
  return impl_->vocab[static_cast<size_t>(id)];
}

int64_t Tokenizer::special_token_count(bool pair) const {
  return count_special_tokens(impl_->pieces(pair));
}

}  // namespace fusebert
