// Where threads run. A kernel that wakes a thread may put it behind one that works, and let the two
// share a processor for tens of milliseconds while another has nothing to do; threads that work
// together see to it themselves.
#pragma once

namespace fusebert {

// Whether this process may ask the system about the scheduling of its threads at all: not where
// FUSEBERT_SCHEDULING is "none" in the environment, for filters of system calls that end a process
// which does.
bool may_schedule();

// The processor that this thread is on, which another may be a moment later; -1 where the system
// does not tell.
int current_processor();

// Moves this thread, now and for once, from `processor` to another that it may run on. False where
// it may run on no other, and where it may not choose.
bool leave_processor(int processor);

// While it lives, its thread works. A thread that begins on a processor where another one has begun
// and not ended leaves it for one where none has, if it may run on such a one; a millisecond after
// it did so last at the earliest.
class WorkPlace {
 public:
  WorkPlace();
  ~WorkPlace();
  WorkPlace(const WorkPlace&) = delete;
  WorkPlace& operator=(const WorkPlace&) = delete;

 private:
  int processor_;
};

}  // namespace fusebert
