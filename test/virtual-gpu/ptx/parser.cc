#include "ptx/parser.h"

#include <array>
#include <limits>
#include <utility>

#include "ptx/operand_parser.h"
#include "ptx/token_stream.h"

namespace virtual_gpu::ptx {
namespace {

constexpr std::uint64_t kMaxRegisters = 1u << 20;     // of one range
constexpr std::uint64_t kMaxVariableBytes = 1u << 31;  // of one variable

std::uint32_t narrow(const TokenStream& tokens, std::uint64_t value) {
  if (value > std::numeric_limits<std::uint32_t>::max()) tokens.fail("a number of 32 bits");
  return static_cast<std::uint32_t>(value);
}

class Parser {
 public:
  explicit Parser(std::string_view text) : tokens_(tokenize(text)) {}

  Module run() {
    parse_header();
    while (tokens_.peek().kind != TokenKind::kEnd) parse_directive();
    return std::move(module_);
  }

 private:
  void parse_header() {
    if (!tokens_.accept_dot("version")) tokens_.fail(".version");
    // The lexer reads "9.0" as one number; its text has the digits as written.
    const Token version = tokens_.take();
    const std::size_t dot = version.text.find('.');
    if (version.kind != TokenKind::kFloat || dot == std::string_view::npos) {
      throw ParseError(version.line, "Expected a version like 9.0");
    }
    module_.version_major = static_cast<std::uint32_t>(std::stoul(std::string(version.text)));
    module_.version_minor =
        static_cast<std::uint32_t>(std::stoul(std::string(version.text.substr(dot + 1))));
    if (!tokens_.accept_dot("target")) tokens_.fail(".target");
    module_.target_name = tokens_.expect_word();
    if (!module_.target_name.starts_with("sm_")) tokens_.fail("a target like sm_80");
    module_.target = static_cast<std::uint32_t>(std::stoul(module_.target_name.substr(3)));
    while (tokens_.accept(',')) tokens_.expect_word();  // "debug", "texmode_independent"
    if (tokens_.accept_dot("address_size") && tokens_.expect_integer() != 64) {
      tokens_.fail("addresses of 64 bits");
    }
  }

  void parse_directive() {
    if (tokens_.accept(';')) return;
    if (tokens_.accept_dot("file")) return parse_file();
    if (tokens_.accept_dot("section")) return skip_section();
    if (tokens_.accept_dot("pragma")) return skip_to_semicolon();
    if (tokens_.accept_dot("loc")) return parse_location();
    Linkage linkage = parse_linkage();
    if (tokens_.accept_dot("entry")) return parse_function(true, linkage);
    if (tokens_.accept_dot("func")) return parse_function(false, linkage);
    for (Variable& variable : parse_variables()) {
      variable.is_extern = linkage.is_extern;
      variable.visible = linkage.visible;
      module_.variables.push_back(std::move(variable));
    }
  }

  struct Linkage {
    bool is_extern = false;
    bool visible = false;
  };

  Linkage parse_linkage() {
    Linkage linkage;
    while (true) {
      if (tokens_.accept_dot("extern")) linkage.is_extern = true;
      else if (tokens_.accept_dot("visible")) linkage.visible = true;
      else if (tokens_.accept_dot("weak")) linkage.visible = true;
      else if (tokens_.accept_dot("common")) linkage.visible = true;
      else return linkage;
    }
  }

  void parse_file() {
    const std::uint32_t index = narrow(tokens_, tokens_.expect_integer());
    if (tokens_.peek().kind != TokenKind::kString) tokens_.fail("the name of a file");
    const std::string name(tokens_.take().text);
    while (tokens_.accept(',')) tokens_.expect_integer();  // time and size
    constexpr std::uint32_t kMaxFiles = 1u << 16;
    if (index >= kMaxFiles) tokens_.fail("a smaller number of a file");
    if (module_.files.size() <= index) module_.files.resize(index + 1);
    module_.files[index] = name;
  }

  /// .loc file line column [, function_name label, inlined_at file line column]
  void parse_location() {
    location_.file = narrow(tokens_, tokens_.expect_integer());
    location_.line = narrow(tokens_, tokens_.expect_integer());
    tokens_.expect_integer();
    while (tokens_.accept(',')) {
      const std::string word = tokens_.expect_word();
      if (word == "function_name") {
        tokens_.expect_word();
        if (tokens_.accept('+')) tokens_.expect_integer();
      } else if (word == "inlined_at") {
        for (int i = 0; i < 3; ++i) tokens_.expect_integer();
      } else {
        tokens_.fail("function_name or inlined_at");
      }
    }
  }

  void skip_to_semicolon() {
    while (!tokens_.accept(';')) {
      if (tokens_.take().kind == TokenKind::kEnd) tokens_.fail("\";\"");
    }
  }

  void skip_parentheses() {
    tokens_.expect('(');
    while (!tokens_.accept(')')) {
      if (tokens_.take().kind == TokenKind::kEnd) tokens_.fail("\")\"");
    }
  }

  /// Debugging information: .section .debug_str { … }
  void skip_section() {
    tokens_.expect_dot_word();
    tokens_.expect('{');
    for (int depth = 1; depth > 0;) {
      if (tokens_.is_sign('{')) ++depth;
      if (tokens_.is_sign('}')) --depth;
      if (tokens_.take().kind == TokenKind::kEnd) tokens_.fail("\"}\"");
    }
  }

  /// .space [.align n] [.v2] .type before the names of variables or a parameter.
  Variable parse_shape() {
    Variable shape;
    shape.line = tokens_.line();
    bool typed = false;
    bool placed = false;
    while (tokens_.peek().kind == TokenKind::kDotWord) {
      const std::string word = tokens_.expect_dot_word();
      if (const auto space = space_named(word)) {
        shape.space = *space;
        placed = true;
      } else if (const auto type = type_named(word)) {
        shape.type = *type;
        typed = true;
      } else if (word == "v2" || word == "v4") {
        shape.vector = word == "v2" ? 2 : 4;
      } else if (word == "align") {
        shape.align = take_u32();
      } else if (word == "ptr") {
        parse_pointer_attributes();
      } else if (word == "attribute") {
        skip_parentheses();
      } else {
        tokens_.fail("a declaration, not ." + word + ", before this");
      }
    }
    if (!typed || !placed) tokens_.fail("a declaration");
    return shape;
  }

  /// .ptr [.space] [.align n] of a parameter: what the pointer points to.
  void parse_pointer_attributes() {
    if (tokens_.peek().kind == TokenKind::kDotWord && space_named(tokens_.peek().text)) {
      tokens_.take();
    }
    if (tokens_.accept_dot("align")) tokens_.expect_integer();
  }

  Variable parse_declarator(const Variable& shape) {
    Variable variable = shape;
    variable.name = tokens_.expect_word();
    if (tokens_.accept('<')) {
      const std::uint64_t count = tokens_.expect_integer();
      if (count > kMaxRegisters) tokens_.fail("fewer registers");
      variable.registers = static_cast<std::uint32_t>(count);
      tokens_.expect('>');
    }
    while (tokens_.accept('[')) {
      const bool open = tokens_.is_sign(']');
      variable.extents.push_back(open ? 0 : tokens_.expect_integer());
      if (variable.extents.back() > kMaxVariableBytes) tokens_.fail("a smaller array");
      tokens_.expect(']');
    }
    std::uint64_t bytes = variable.vector * bytes_of(variable.type);
    for (const std::uint64_t extent : variable.extents) {
      bytes *= extent;
      if (bytes > kMaxVariableBytes) tokens_.fail("a smaller array");
    }
    if (tokens_.accept('=')) variable.initial = parse_initial(tokens_);
    return variable;
  }

  std::vector<Variable> parse_variables() {
    const Variable shape = parse_shape();
    std::vector<Variable> found;
    do {
      found.push_back(parse_declarator(shape));
    } while (tokens_.accept(','));
    tokens_.expect(';');
    return found;
  }

  std::vector<Variable> parse_parameters() {
    std::vector<Variable> found;
    tokens_.expect('(');
    while (!tokens_.accept(')')) {
      if (!found.empty()) tokens_.expect(',');
      found.push_back(parse_declarator(parse_shape()));
    }
    return found;
  }

  void parse_function(bool entry, const Linkage& linkage) {
    Function function;
    function.line = tokens_.line();
    function.entry = entry;
    function.is_extern = linkage.is_extern;
    if (tokens_.accept_dot("attribute")) skip_parentheses();
    if (!entry && tokens_.is_sign('(')) function.results = parse_parameters();
    function.name = tokens_.expect_word();
    if (tokens_.is_sign('(')) function.parameters = parse_parameters();
    parse_function_directives(function);
    if (tokens_.accept(';')) {
      function.declared_only = true;
    } else {
      parse_body(function);
    }
    module_.functions.push_back(std::move(function));
  }

  void parse_function_directives(Function& function) {
    while (tokens_.peek().kind == TokenKind::kDotWord) {
      const std::string word = tokens_.expect_dot_word();
      if (word == "maxntid") parse_extents(function.max_threads);
      else if (word == "reqntid") parse_extents(function.required_threads);
      else if (word == "minnctapersm") function.min_blocks = take_u32();
      else if (word == "maxnreg") function.max_registers = take_u32();
      else if (word == "pragma") skip_to_semicolon();
      else if (word == "abi_preserve" || word == "abi_preserve_control") take_u32();
      else if (word != "noreturn") tokens_.fail("a directive of a function, not ." + word);
    }
  }

  std::uint32_t take_u32() { return narrow(tokens_, tokens_.expect_integer()); }

  void parse_extents(std::uint32_t (&extents)[3]) {
    extents[0] = take_u32();
    for (int i = 1; i < 3; ++i) extents[i] = tokens_.accept(',') ? take_u32() : 1;
  }

  void parse_body(Function& function) {
    tokens_.expect('{');
    location_ = {};
    for (int depth = 1; depth > 0;) {
      Statement statement;
      statement.line = tokens_.line();
      if (tokens_.accept('{')) {
        ++depth;
        statement.kind = Statement::Kind::kOpen;
        function.body.push_back(std::move(statement));
      } else if (tokens_.accept('}')) {
        if (--depth == 0) break;
        statement.kind = Statement::Kind::kClose;
        function.body.push_back(std::move(statement));
      } else if (tokens_.peek().kind == TokenKind::kDotWord) {
        parse_body_directive(function);
      } else if (tokens_.peek().kind == TokenKind::kWord && tokens_.is_sign(':', 1)) {
        statement.kind = Statement::Kind::kLabel;
        statement.label = tokens_.expect_word();
        tokens_.take();
        parse_after_label(statement);
        function.body.push_back(std::move(statement));
      } else if (!tokens_.accept(';')) {
        statement.instruction = parse_instruction();
        function.body.push_back(std::move(statement));
      }
    }
  }

  /// "name: .branchtargets a, b;" and "name: .callprototype (…) _ (…);" are more than labels.
  void parse_after_label(Statement& statement) {
    if (tokens_.accept_dot("branchtargets") || tokens_.accept_dot("calltargets")) {
      statement.kind = Statement::Kind::kTargets;
      do {
        statement.targets.push_back(tokens_.expect_word());
      } while (tokens_.accept(','));
      tokens_.expect(';');
    } else if (tokens_.accept_dot("callprototype")) {
      statement.kind = Statement::Kind::kPrototype;
      if (tokens_.is_sign('(')) statement.results = parse_parameters();
      tokens_.expect_word();
      if (tokens_.is_sign('(')) statement.parameters = parse_parameters();
      skip_to_semicolon();
    }
  }

  void parse_body_directive(Function& function) {
    if (tokens_.accept_dot("loc")) return parse_location();
    if (tokens_.accept_dot("pragma")) return skip_to_semicolon();
    for (Variable& variable : parse_variables()) {
      Statement statement;
      statement.kind = Statement::Kind::kDeclaration;
      statement.line = variable.line;
      statement.variable = std::move(variable);
      function.body.push_back(std::move(statement));
    }
  }

  Instruction parse_instruction() {
    Instruction instruction;
    instruction.line = tokens_.line();
    instruction.source = location_;
    if (tokens_.accept('@')) {
      instruction.guard_negated = tokens_.accept('!');
      instruction.guard = tokens_.expect_word();
    }
    instruction.opcode = tokens_.expect_word();
    while (tokens_.peek().kind == TokenKind::kDotWord) {
      instruction.modifiers.emplace_back(tokens_.take().text);
    }
    if (!tokens_.is_sign(';')) {
      do {
        instruction.operands.push_back(parse_operand(tokens_));
      } while (tokens_.accept(','));
    }
    tokens_.expect(';');
    return instruction;
  }

  TokenStream tokens_;
  Module module_;
  SourceLine location_;
};

}  // namespace

Module parse(std::string_view text) { return Parser(text).run(); }

}  // namespace virtual_gpu::ptx
