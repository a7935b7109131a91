// Texts as TextDecoder and Rust's from_utf8_lossy read them: U+FFFD for each malformed sequence.
#pragma once

#include <string>
#include <string_view>

namespace fusebert::utf8 {

// `text` itself where it is valid UTF-8. Otherwise a copy in `repaired`, with U+FFFD in place of
// each maximal subpart of a malformed sequence.
std::string_view well_formed(std::string_view text, std::string& repaired);

}  // namespace fusebert::utf8
