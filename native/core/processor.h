// Where a thread runs.
#pragma once

namespace fusebert {

// The processor that this thread is on, which another may be a moment later; -1 where the system
// does not tell.
int current_processor();

// Moves this thread, now and for once, to another processor that it may run on. False where it may
// run on no other, and where the system does not let it choose.
bool leave_processor(int processor);

}  // namespace fusebert
