// From what the loaders of tokenizer files made to a TokenizerSpec.
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "napi/convert_helpers.h"

namespace fusebert::node {
namespace {

Result<AddedToken> to_added_token(const Napi::Value& value) {
  if (!value.IsObject()) return expected("an object", "added_tokens");
  const auto object = value.As<Napi::Object>();
  AddedToken token;
  FUSEBERT_ASSIGN(token.content, to_string(object, "content"));
  FUSEBERT_ASSIGN(token.id, to_int32(object, "id"));
  FUSEBERT_ASSIGN(token.special, to_bool(object, "special"));
  FUSEBERT_ASSIGN(token.single_word, to_bool(object, "single_word"));
  FUSEBERT_ASSIGN(token.lstrip, to_bool(object, "lstrip"));
  FUSEBERT_ASSIGN(token.rstrip, to_bool(object, "rstrip"));
  FUSEBERT_ASSIGN(token.normalized, to_bool(object, "normalized"));
  return token;
}

Result<DecoderSpec> to_decoder(const Napi::Value& value) {
  DecoderSpec decoder;
  if (value.IsNull()) return decoder;
  if (!value.IsObject()) return expected("an object or null", "decoder");
  const auto object = value.As<Napi::Object>();
  std::string type;
  FUSEBERT_ASSIGN(type, to_string(object, "type"));
  if (type == "ByteLevel") {
    decoder.kind = DecoderSpec::Kind::kByteLevel;
    return decoder;
  }
  if (type != "WordPiece") return expected("'WordPiece' or 'ByteLevel'", "decoder.type");
  decoder.kind = DecoderSpec::Kind::kWordPiece;
  FUSEBERT_ASSIGN(decoder.prefix, to_string(object, "prefix"));
  FUSEBERT_ASSIGN(decoder.cleanup, to_bool(object, "cleanup"));
  return decoder;
}

Result<std::vector<TemplatePiece>> to_template(const Napi::Object& object, const char* key) {
  const Napi::Value value = object.Get(key);
  if (!value.IsArray()) return expected("an array", key);
  const auto array = value.As<Napi::Array>();
  std::vector<TemplatePiece> pieces;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value item = array.Get(i);
    if (!item.IsObject()) return expected("an array of objects", key);
    const auto entry = item.As<Napi::Object>();
    std::string kind;
    TemplatePiece piece;
    FUSEBERT_ASSIGN(kind, to_string(entry, "kind"));
    FUSEBERT_ASSIGN(piece.id, to_int32(entry, "id"));
    FUSEBERT_ASSIGN(piece.type_id, to_int32(entry, "type_id"));
    if (kind == "special_token") piece.kind = TemplatePiece::Kind::kSpecialToken;
    else if (kind == "sequence_a") piece.kind = TemplatePiece::Kind::kSequenceA;
    else if (kind == "sequence_b") piece.kind = TemplatePiece::Kind::kSequenceB;
    else return expected("'special_token', 'sequence_a' or 'sequence_b'", "kind");
    pieces.push_back(piece);
  }
  return pieces;
}

Result<WordPieceSpec> to_wordpiece(const Napi::Object& object) {
  WordPieceSpec spec;
  FUSEBERT_ASSIGN(spec.unk_token, to_string(object, "unk_token"));
  FUSEBERT_ASSIGN(spec.continuing_subword_prefix, to_string(object, "continuing_subword_prefix"));
  FUSEBERT_ASSIGN(spec.max_input_chars_per_word, to_int(object, "max_input_chars_per_word"));
  FUSEBERT_ASSIGN(spec.clean_text, to_bool(object, "clean_text"));
  FUSEBERT_ASSIGN(spec.handle_chinese_chars, to_bool(object, "handle_chinese_chars"));
  if (!object.Get("strip_accents").IsNull()) {
    bool strip_accents = false;
    FUSEBERT_ASSIGN(strip_accents, to_bool(object, "strip_accents"));
    spec.strip_accents = strip_accents;
  }
  FUSEBERT_ASSIGN(spec.lowercase, to_bool(object, "lowercase"));
  return spec;
}

// [merges, 3]: left, right, and what they become.
Result<std::vector<Merge>> to_merges(const Napi::Value& value) {
  constexpr size_t kIds = 3;
  std::vector<int32_t> ids;
  FUSEBERT_ASSIGN(ids, to_int32s(value, "merges"));
  if (ids.size() % kIds != 0) return expected("three ids for each merge", "merges");
  std::vector<Merge> merges;
  merges.reserve(ids.size() / kIds);
  for (size_t i = 0; i < ids.size(); i += kIds) {
    merges.push_back({ids[i], ids[i + 1], ids[i + 2]});
  }
  return merges;
}

Result<BytePairSpec> to_byte_pair(const Napi::Object& object) {
  BytePairSpec spec;
  FUSEBERT_ASSIGN(spec.merges, to_merges(object.Get("merges")));
  if (!object.Get("unk_token").IsNull()) {
    std::string unk_token;
    FUSEBERT_ASSIGN(unk_token, to_string(object, "unk_token"));
    spec.unk_token = std::move(unk_token);
  }
  FUSEBERT_ASSIGN(spec.fuse_unk, to_bool(object, "fuse_unk"));
  FUSEBERT_ASSIGN(spec.ignore_merges, to_bool(object, "ignore_merges"));
  FUSEBERT_ASSIGN(spec.add_prefix_space, to_bool(object, "add_prefix_space"));
  FUSEBERT_ASSIGN(spec.split_words, to_bool(object, "split_words"));
  FUSEBERT_ASSIGN(spec.trim_offsets, to_bool(object, "trim_offsets"));
  FUSEBERT_ASSIGN(spec.keep_first_space, to_bool(object, "keep_first_space"));
  return spec;
}

Result<std::variant<WordPieceSpec, BytePairSpec>> to_model(const Napi::Value& value) {
  std::variant<WordPieceSpec, BytePairSpec> model;
  if (!value.IsObject()) return expected("an object", "model");
  const auto object = value.As<Napi::Object>();
  std::string type;
  FUSEBERT_ASSIGN(type, to_string(object, "type"));
  if (type == "WordPiece") FUSEBERT_ASSIGN(model, to_wordpiece(object));
  else if (type == "BPE") FUSEBERT_ASSIGN(model, to_byte_pair(object));
  else return expected("'WordPiece' or 'BPE'", "model.type");
  return model;
}

Result<std::vector<std::string>> to_vocab(const Napi::Object& object) {
  const Napi::Value bytes_value = object.Get("vocab_bytes");
  if (!is_bytes(bytes_value)) return expected("a Uint8Array", "vocab_bytes");
  std::vector<int32_t> offsets;
  FUSEBERT_ASSIGN(offsets, to_int32s(object.Get("vocab_offsets"), "vocab_offsets"));
  const auto bytes = bytes_value.As<Napi::Uint8Array>();
  const auto* data = reinterpret_cast<const char*>(bytes.Data());
  std::vector<std::string> vocab;
  if (!offsets.empty() && offsets.front() < 0) return expected("offsets ≥ 0", "vocab_offsets");
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    if (offsets[i + 1] < offsets[i] ||
        static_cast<size_t>(offsets[i + 1]) > bytes.ElementLength()) {
      return expected("increasing offsets inside vocab_bytes", "vocab_offsets");
    }
    vocab.emplace_back(data + offsets[i], static_cast<size_t>(offsets[i + 1] - offsets[i]));
  }
  return vocab;
}

}  // namespace

Result<TokenizerSpec> to_tokenizer_spec(const Napi::Value& value) {
  if (!value.IsObject()) return expected("an object", "spec");
  const auto object = value.As<Napi::Object>();
  TokenizerSpec spec;
  FUSEBERT_ASSIGN(spec.vocab, to_vocab(object));
  FUSEBERT_ASSIGN(spec.model, to_model(object.Get("model")));
  const Napi::Value added = object.Get("added_tokens");
  if (!added.IsArray()) return expected("an array", "added_tokens");
  const auto added_array = added.As<Napi::Array>();
  for (uint32_t i = 0; i < added_array.Length(); ++i) {
    AddedToken token;
    FUSEBERT_ASSIGN(token, to_added_token(added_array.Get(i)));
    spec.added_tokens.push_back(std::move(token));
  }
  FUSEBERT_ASSIGN(spec.single_template, to_template(object, "single_template"));
  FUSEBERT_ASSIGN(spec.pair_template, to_template(object, "pair_template"));
  FUSEBERT_ASSIGN(spec.decoder, to_decoder(object.Get("decoder")));
  return spec;
}

}  // namespace fusebert::node
