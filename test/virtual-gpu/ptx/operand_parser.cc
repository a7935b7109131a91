#include "ptx/operand_parser.h"

#include <bit>

namespace virtual_gpu::ptx {
namespace {

// Deeper braces than any initial value has; bounds the recursion.
constexpr int kMaxDepth = 8;
constexpr std::int64_t kWarpSize = 32;

/// A number with its sign, if one stands here.
bool parse_number(TokenStream& tokens, Operand& operand) {
  const bool minus = tokens.is_sign('-');
  const Token& number = tokens.peek(minus ? 1 : 0);
  if (number.kind != TokenKind::kInteger && number.kind != TokenKind::kFloat) return false;
  if (minus) tokens.take();
  const Token token = tokens.take();
  if (token.kind == TokenKind::kFloat) {
    const double value = std::bit_cast<double>(token.integer);
    operand.kind = OperandKind::kFloat;
    operand.real = minus ? -value : value;
    return true;
  }
  operand.kind = OperandKind::kInteger;
  operand.integer = static_cast<std::int64_t>(minus ? 0 - token.integer : token.integer);
  return true;
}

/// "+8", "-8" or "+-8" after a base.
std::int64_t parse_offset(TokenStream& tokens) {
  std::int64_t offset = 0;
  while (tokens.is_sign('+') || tokens.is_sign('-')) {
    if (tokens.is_sign('+')) tokens.take();
    Operand number;
    if (!parse_number(tokens, number) || number.kind != OperandKind::kInteger) {
      tokens.fail("an offset");
    }
    offset += number.integer;
  }
  return offset;
}

Operand parse_name(TokenStream& tokens) {
  Operand operand;
  operand.kind = OperandKind::kName;
  operand.name = tokens.expect_word();
  while (tokens.peek().kind == TokenKind::kDotWord && tokens.peek().adjacent) {
    operand.name += '.' + std::string(tokens.take().text);
  }
  return operand;
}

Operand parse_list(TokenStream& tokens, OperandKind kind, char end, int depth);

Operand parse_address(TokenStream& tokens, int depth) {
  Operand operand;
  operand.kind = OperandKind::kAddress;
  Operand number;
  if (parse_number(tokens, number)) {
    operand.integer = number.integer;
  } else {
    operand.parts.push_back(parse_name(tokens));
    operand.integer = parse_offset(tokens);
  }
  // [tensorMap, {x, y}]: the coordinates follow as a second part.
  while (tokens.accept(',')) {
    if (tokens.accept('{')) {
      operand.parts.push_back(parse_list(tokens, OperandKind::kVector, '}', depth + 1));
    } else {
      operand.parts.push_back(parse_operand(tokens));
    }
  }
  tokens.expect(']');
  return operand;
}

Operand parse_single(TokenStream& tokens, int depth) {
  if (depth > kMaxDepth) tokens.fail("fewer braces");
  if (tokens.accept('[')) return parse_address(tokens, depth);
  if (tokens.accept('{')) return parse_list(tokens, OperandKind::kVector, '}', depth + 1);
  if (tokens.accept('(')) return parse_list(tokens, OperandKind::kTuple, ')', depth + 1);
  Operand operand;
  if (parse_number(tokens, operand)) return operand;
  const bool negated = tokens.accept('!');
  const bool minus = !negated && tokens.accept('-');
  operand = parse_name(tokens);
  if (operand.name == "WARP_SZ") {
    operand = {};
    operand.kind = OperandKind::kInteger;
    operand.integer = kWarpSize;
    return operand;
  }
  if (operand.name == "_") operand.kind = OperandKind::kSink;
  operand.negated = negated;
  operand.minus = minus;
  if (tokens.is_sign('+') || tokens.is_sign('-')) operand.integer = parse_offset(tokens);
  return operand;
}

Operand parse_list(TokenStream& tokens, OperandKind kind, char end, int depth) {
  Operand operand;
  operand.kind = kind;
  if (tokens.accept(end)) return operand;
  do {
    operand.parts.push_back(parse_single(tokens, depth));
  } while (tokens.accept(','));
  tokens.expect(end);
  return operand;
}

void parse_initial_into(TokenStream& tokens, std::vector<Operand>& values, int depth) {
  if (depth > kMaxDepth) tokens.fail("fewer braces");
  if (tokens.accept('{')) {
    if (tokens.accept('}')) return;
    do {
      parse_initial_into(tokens, values, depth + 1);
    } while (tokens.accept(','));
    tokens.expect('}');
    return;
  }
  Operand value;
  if (parse_number(tokens, value)) {
    values.push_back(value);
    return;
  }
  const bool generic = tokens.peek().text == "generic" && tokens.is_sign('(', 1);
  if (generic) {
    tokens.take();
    tokens.take();
  }
  value = parse_name(tokens);
  value.integer = parse_offset(tokens);
  value.generic = generic;
  if (generic) {
    tokens.expect(')');
    value.integer += parse_offset(tokens);
  }
  values.push_back(value);
}

}  // namespace

Operand parse_operand(TokenStream& tokens) {
  Operand first = parse_single(tokens, 0);
  if (!tokens.is_sign('|')) return first;
  Operand pair;
  pair.kind = OperandKind::kPair;
  pair.parts.push_back(std::move(first));
  while (tokens.accept('|')) pair.parts.push_back(parse_single(tokens, 0));
  return pair;
}

std::vector<Operand> parse_initial(TokenStream& tokens) {
  std::vector<Operand> values;
  parse_initial_into(tokens, values, 0);
  return values;
}

}  // namespace virtual_gpu::ptx
