// PTX text to ptx::Module (PTX ISA, chapters 4, 5 and 11).
#pragma once

#include <string_view>

#include "ptx/ast.h"
#include "ptx/lexer.h"

namespace virtual_gpu::ptx {

/// The module that `text` spells. Throws ParseError with the line of what it does not know.
Module parse(std::string_view text);

}  // namespace virtual_gpu::ptx
