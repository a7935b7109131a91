// How threads that compute share processors with those that are seldom awake.
#pragma once

#include <chrono>

namespace fusebert {

// The turn that threads which compute ask for. The system's own is 3 ms at most, unless somebody
// has set another.
inline constexpr std::chrono::nanoseconds kComputingSlice = std::chrono::milliseconds(8);

// Lets a thread that wakes, like Node's JavaScript thread, have this thread's processor at once
// rather than when its turn is over: on Linux from 6.12 on, where turns that are longer than
// others' give way to them. This thread's share of the processor's time stays the same. Elsewhere,
// and where FUSEBERT_SCHEDULING is "none", nothing happens.
void give_way_to_woken_threads();

// How long a turn of this thread is; 0 where the system does not say.
std::chrono::nanoseconds time_slice();

}  // namespace fusebert
