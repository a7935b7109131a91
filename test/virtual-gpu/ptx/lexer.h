// Cuts PTX text into tokens (PTX ISA, chapter 4: lexical elements).
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace virtual_gpu::ptx {

/// A module that cannot be read, with the line at fault; becomes CUDA_ERROR_INVALID_PTX.
class ParseError : public std::runtime_error {
 public:
  ParseError(std::uint32_t line, const std::string& what)
      : std::runtime_error("line " + std::to_string(line) + ": " + what), line_(line) {}
  std::uint32_t line() const { return line_; }

 private:
  std::uint32_t line_;
};

enum class TokenKind : std::uint8_t {
  kWord,     // an identifier: "%r1", "ld", "$L__BB0_2"
  kDotWord,  // ".shared::cta", without its dot
  kInteger,
  kFloat,
  kString,
  kSign,     // one character of punctuation
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string_view text;      // points into the module's text
  std::uint64_t integer = 0;  // kInteger; kFloat: the bits of the double
  std::uint32_t line = 0;
  bool adjacent = false;      // nothing stands between it and the token before it
};

/// All tokens of `text`, the last being kEnd. `text` must outlive them. Throws ParseError.
std::vector<Token> tokenize(std::string_view text);

}  // namespace virtual_gpu::ptx
