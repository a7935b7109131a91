// A position in a module's tokens: what the parts of the parser share.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ptx/lexer.h"

namespace virtual_gpu::ptx {

class TokenStream {
 public:
  explicit TokenStream(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  const Token& peek(std::size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  Token take() {
    const Token token = peek();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  std::uint32_t line() const { return peek().line; }

  bool is_sign(char sign, std::size_t ahead = 0) const {
    return peek(ahead).kind == TokenKind::kSign && peek(ahead).text[0] == sign;
  }
  bool is_dot(std::string_view word) const {
    return peek().kind == TokenKind::kDotWord && peek().text == word;
  }
  bool accept(char sign) {
    if (!is_sign(sign)) return false;
    take();
    return true;
  }
  bool accept_dot(std::string_view word) {
    if (!is_dot(word)) return false;
    take();
    return true;
  }
  void expect(char sign) {
    if (!accept(sign)) fail(std::string("\"") + sign + '"');
  }
  std::string expect_word() {
    if (peek().kind != TokenKind::kWord) fail("a name");
    return std::string(take().text);
  }
  std::string expect_dot_word() {
    if (peek().kind != TokenKind::kDotWord) fail("a word after a dot");
    return std::string(take().text);
  }
  std::uint64_t expect_integer() {
    if (peek().kind != TokenKind::kInteger) fail("an integer");
    return take().integer;
  }
  [[noreturn]] void fail(const std::string& expected) const {
    const std::string_view text = peek().text;
    throw ParseError(line(), "Expected " + expected + " but received " +
                                 (text.empty() ? "the end" : '"' + std::string(text) + '"'));
  }

 private:
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
};

}  // namespace virtual_gpu::ptx
