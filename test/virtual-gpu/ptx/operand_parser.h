// Operands of instructions and the initial values of variables.
#pragma once

#include "ptx/ast.h"
#include "ptx/token_stream.h"

namespace virtual_gpu::ptx {

/// One operand; pairs ("a|b") and signs included.
Operand parse_operand(TokenStream& tokens);

/// The value after "=": a constant, or a braced list of lists, flattened.
std::vector<Operand> parse_initial(TokenStream& tokens);

}  // namespace virtual_gpu::ptx
