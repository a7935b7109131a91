#include "ptx/lexer.h"

#include <bit>
#include <cctype>
#include <charconv>
#include <cstdlib>

namespace virtual_gpu::ptx {
namespace {

bool starts_word(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' || c == '%';
}

bool continues_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$';
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::vector<Token> run() {
    std::vector<Token> tokens;
    while (true) {
      const std::size_t before = at_;
      skip_blanks();
      Token token = next();
      token.adjacent = at_before_ == before;
      tokens.push_back(token);
      if (token.kind == TokenKind::kEnd) return tokens;
    }
  }

 private:
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  void skip_blanks() {
    while (at_ < text_.size()) {
      if (text_[at_] == '\n') {
        ++line_;
        ++at_;
      } else if (std::isspace(static_cast<unsigned char>(text_[at_])) != 0) {
        ++at_;
      } else if (peek() == '/' && peek(1) == '/') {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
      } else if (peek() == '/' && peek(1) == '*') {
        skip_comment();
      } else {
        return;
      }
    }
  }

  void skip_comment() {
    const std::uint32_t first_line = line_;
    for (at_ += 2; !(peek() == '*' && peek(1) == '/'); ++at_) {
      if (at_ >= text_.size()) throw ParseError(first_line, "Expected the end of a comment");
      if (text_[at_] == '\n') ++line_;
    }
    at_ += 2;
  }

  Token make(TokenKind kind, std::size_t first) const {
    return {kind, text_.substr(first, at_ - first), 0, line_, false};
  }

  Token next() {
    at_before_ = at_;
    // Modules are handed over as C strings and may be padded with zeros.
    if (at_ >= text_.size() || text_[at_] == '\0') return {TokenKind::kEnd, {}, 0, line_, false};
    const char c = peek();
    if (starts_word(c)) return word();
    if (c == '.' && (std::isalnum(static_cast<unsigned char>(peek(1))) != 0 || peek(1) == '_')) {
      return dot_word();
    }
    if (is_digit(c)) return number();
    if (c == '"') return string();
    ++at_;
    return make(TokenKind::kSign, at_before_);
  }

  Token word() {
    const std::size_t first = at_++;
    while (continues_word(peek())) ++at_;
    return make(TokenKind::kWord, first);
  }

  Token dot_word() {
    const std::size_t first = ++at_;
    while (true) {
      while (continues_word(peek())) ++at_;
      if (peek() != ':' || peek(1) != ':' || !continues_word(peek(2))) break;
      at_ += 2;
    }
    return make(TokenKind::kDotWord, first);
  }

  Token string() {
    const std::size_t first = ++at_;
    while (peek() != '"') {
      if (at_ >= text_.size() || peek() == '\n') throw ParseError(line_, "Expected a closing \"");
      ++at_;
    }
    Token token = make(TokenKind::kString, first);
    ++at_;
    return token;
  }

  Token number() {
    const char second = peek(1);
    if (peek() == '0' && (second == 'f' || second == 'F')) return hex_float(8);
    if (peek() == '0' && (second == 'd' || second == 'D')) return hex_float(16);
    const std::size_t first = at_;
    if (peek() == '0' && (second == 'x' || second == 'X')) return integer(first, 2, 16);
    if (peek() == '0' && (second == 'b' || second == 'B')) return integer(first, 2, 2);
    std::size_t end = at_;
    while (end < text_.size() && is_digit(text_[end])) ++end;
    const char after = end < text_.size() ? text_[end] : '\0';
    if (after == '.' || after == 'e' || after == 'E') return decimal(first);
    if (peek() == '0' && end > at_ + 1) return integer(first, 1, 8);
    return integer(first, 0, 10);
  }

  Token integer(std::size_t first, std::size_t prefix, int base) {
    const char* begin = text_.data() + first + prefix;
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value, base);
    if (error != std::errc()) throw ParseError(line_, "Expected an integer of at most 64 bits");
    at_ = static_cast<std::size_t>(end - text_.data());
    if (peek() == 'U') ++at_;
    if (continues_word(peek())) throw ParseError(line_, "Expected an integer");
    Token token = make(TokenKind::kInteger, first);
    token.integer = value;
    return token;
  }

  Token decimal(std::size_t first) {
    double value = 0;
    const auto [end, error] =
        std::from_chars(text_.data() + first, text_.data() + text_.size(), value);
    if (error == std::errc::invalid_argument) throw ParseError(line_, "Expected a number");
    at_ = static_cast<std::size_t>(end - text_.data());
    Token token = make(TokenKind::kFloat, first);
    token.integer = std::bit_cast<std::uint64_t>(value);
    return token;
  }

  /// 0f3F800000 and 0d3FF0000000000000: the bits of a float or a double.
  Token hex_float(std::size_t digits) {
    const std::size_t first = at_;
    const char* begin = text_.data() + at_ + 2;
    const char* limit = text_.data() + std::min(text_.size(), at_ + 2 + digits);
    std::uint64_t bits = 0;
    const auto [end, error] = std::from_chars(begin, limit, bits, 16);
    if (error != std::errc() || end != begin + digits) {
      throw ParseError(line_, "Expected " + std::to_string(digits) + " hexadecimal digits");
    }
    at_ += 2 + digits;
    Token token = make(TokenKind::kFloat, first);
    if (digits == 8) {
      const double value = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
      bits = std::bit_cast<std::uint64_t>(value);
    }
    token.integer = bits;
    return token;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t at_before_ = 0;
  std::uint32_t line_ = 1;
};

}  // namespace

std::vector<Token> tokenize(std::string_view text) { return Lexer(text).run(); }

}  // namespace virtual_gpu::ptx
