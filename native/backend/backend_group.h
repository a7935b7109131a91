// A model on several devices that each give the same bits: every batch is split among them by its
// number of tokens.
#pragma once

#include <memory>
#include <vector>

#include "backend/backend.h"

namespace fusebert {

// `members`: at least one, of one model. A batch becomes runs of whole sequences, one a member,
// that end as near as may be to equal shares of its tokens; members work at the same time, and what
// each does within submit() has a thread of its own. Fails as the first of the members that failed.
std::unique_ptr<Backend> group_backends(std::vector<std::unique_ptr<Backend>> members);

// Where each of `members` runs of a batch begins, and where the last ends: indices of sequences,
// [members + 1]. Runs may be empty.
std::vector<int64_t> split_by_tokens(const PackedBatch& batch, size_t members);

}  // namespace fusebert
