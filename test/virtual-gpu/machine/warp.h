// A warp: 32 lanes that run the same program, each with its own place in it.
//
// Lanes at the same place form a fragment. Independent thread scheduling (PTX ISA, "Independent
// Thread Scheduling") only promises that every lane gets on; what a warp does here is: run the
// fragment that is furthest behind, so that fragments meet again where control flow joins; merge
// those that meet; now and then run another, so that lanes may wait for each other. Instructions
// with a member mask wait until all its lanes have come.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "machine/hazard.h"
#include "program/op.h"

namespace virtual_gpu {

class Block;

/// The registers of one call of a function, by the lanes that made the call together.
struct Frame {
  Frame(const FunctionCode& function, Frame* caller, LaneMask lanes);

  const FunctionCode& function;
  Frame* caller;
  std::uint32_t return_pc = 0;
  std::uint32_t depth = 0;
  std::uint32_t local_base = 0;          // of the function's .local variables, in each lane
  LaneMask lanes;
  std::unique_ptr<std::byte[]> data;     // of all registers
  std::unique_ptr<std::byte[]> undefined;  // set bits: undefined bits of `data`
  std::vector<std::uint8_t> taint;       // by slot: a Taint
  std::vector<std::uint32_t> origins;    // by slot: where the undefined bits were born
};

/// What is known of a register's undefined bits without looking at them.
enum Taint : std::uint8_t {
  kClean = 0,
  kTainted = 1,   // `undefined` says which bits
  kUnwritten = 2, // all bits of all lanes; `undefined` has not been filled in yet
};

enum class Wait : std::uint8_t { kReady, kMembers, kBarrier, kDone };

struct Fragment {
  Frame* frame = nullptr;
  std::uint32_t pc = 0;
  LaneMask lanes = 0;
  Wait wait = Wait::kReady;
  LaneMask members = 0;        // kMembers: who has to come
  std::uint32_t barrier = 0;   // kBarrier: its number
  bool released = false;       // the barrier is complete; the instruction is run once more
};

class Warp {
 public:
  Warp(Block& block, std::uint32_t index, LaneMask lanes);

  /// Runs up to `budget` instructions; returns how many it ran. Throws DeviceFault.
  std::uint64_t run(std::uint64_t budget);
  bool ready() const;
  bool done() const { return exited_ == existing_; }

  Block& block() { return block_; }
  std::uint32_t index() const { return index_; }
  LaneMask existing() const { return existing_; }
  LaneMask alive() const { return existing_ & ~exited_; }
  /// The thread's number in its block.
  std::uint32_t thread_of(std::uint32_t lane) const { return index_ * kLanes + lane; }
  std::span<const Fragment> fragments() const { return {fragments_.data(), count_}; }

  // For instructions: the fragment that runs.
  Frame& frame() { return *current_->frame; }
  std::uint32_t pc() const { return current_->pc; }
  LaneMask lanes() const { return current_->lanes; }

  /// 32 lanes of an operand.
  template <typename T>
  T* lanes_of(const Operand& operand) {
    return reinterpret_cast<T*>(bases_[operand.base] + operand.offset);
  }
  LaneMask& predicate(const Operand& operand) { return *lanes_of<LaneMask>(operand); }
  /// The operand's undefined bits; only where `taint` is kTainted.
  template <typename T>
  T* undefined_of(const Operand& operand) {
    return reinterpret_cast<T*>(undefined_ + operand.offset);
  }
  Taint taint(const Operand& operand) const { return static_cast<Taint>(taint_[operand.slot]); }
  /// Whether any bit of these lanes may be undefined.
  bool tainted(const Operand& operand) const { return taint_[operand.slot] != kClean; }
  /// Fills in `undefined` of an unwritten register, so that lanes of it can be changed.
  void spread_taint(const Operand& operand);
  /// After lanes of `operand` were written with defined bits.
  void mark_defined(const Operand& operand, LaneMask lanes) {
    if (taint_[operand.slot] != kClean) clear_taint(operand, lanes);
  }
  /// After undefined bits were written to `undefined_of(operand)`.
  void mark_tainted(const Operand& operand, std::uint32_t origin) {
    taint_[operand.slot] = kTainted;
    origins_[operand.slot] = origin;
  }
  /// Marks all bits of these lanes undefined.
  void mark_undefined(const Operand& operand, LaneMask lanes, std::uint32_t origin);
  /// The lanes of `lanes` of which any bit of the operand is undefined.
  LaneMask undefined_lanes(const Operand& operand, LaneMask lanes);
  std::uint32_t origin_of(const Operand& operand);

  /// A control instruction's means: where the lanes go on.
  void jump(std::uint32_t pc) { current_->pc = pc; }
  void split(LaneMask lanes, std::uint32_t pc);
  /// The same, but lanes of `asked` that are not in `lanes` stay at the instruction.
  void split_here(LaneMask lanes, LaneMask asked, std::uint32_t pc);
  void call(const FunctionCode& function, LaneMask lanes);
  bool may_call() const;
  void leave_function(LaneMask lanes);
  void exit(LaneMask lanes);
  /// True once all living lanes of `members` are here, `here` being lanes of the running fragment
  /// with that mask; else the instruction must wait.
  bool converged(LaneMask members, LaneMask here);
  /// The same for an instruction whose lanes may be at different places of the program: `which` is
  /// its function. All who have waited are woken as by a barrier, see take_release.
  bool met(LaneMask members, LaneMask here, Execute which);
  /// A number for where undefined bits come from: the sentence and the instruction's place.
  std::uint32_t add_origin(const std::string& sentence, const Op& op);
  void wait_at_barrier(std::uint32_t barrier);
  /// Wakes the fragments that wait at the barrier; true if there are any.
  bool release(std::uint32_t barrier);
  /// Whether the running fragment has been woken by its barrier; asked once.
  bool take_release() { return std::exchange(current_->released, false); }
  void count_backward_branch() { ++backward_branches_; }
  /// The running instruction looks at what other threads may change.
  void note_poll() { polled_at_ = ran_; }
  /// Instructions since the last such look: many mean that the warp computes and waits for nobody.
  std::uint64_t ran_since_poll() const { return ran_ - polled_at_; }

  /// Ends the launch. `lane`: which thread is at fault; kLanes for the whole warp.
  [[noreturn]] void fault(HazardKind kind, const Op& op, std::uint32_t lane, std::string what,
                          const std::uint64_t* address = nullptr);
  /// Ends the launch if any of these lanes of the operand is undefined.
  void require_defined(const Op& op, const Operand& operand, LaneMask lanes, const char* use) {
    if (tainted(operand)) check_defined(op, operand, lanes, use);
  }

 private:
  void clear_taint(const Operand& operand, LaneMask lanes);
  void check_defined(const Op& op, const Operand& operand, LaneMask lanes, const char* use);
  Fragment& add_fragment(Frame* frame, std::uint32_t pc, LaneMask lanes);
  void take_lanes(LaneMask lanes);
  void load_frame();
  void tidy();
  bool choose();
  std::uint32_t meeting_place() const;
  std::uint64_t run_fragment(std::uint64_t budget);
  LaneMask guarded_lanes(const Op& op, LaneMask& doubtful);
  void wake_members();

  Block& block_;
  std::uint32_t index_;
  LaneMask existing_;
  LaneMask exited_ = 0;
  std::array<Fragment, kLanes> fragments_;  // each has a lane, so there are no more
  std::size_t count_ = 0;
  Fragment* current_ = nullptr;
  std::vector<std::unique_ptr<Frame>> frames_;
  // Of the frame that runs.
  std::byte* bases_[2] = {nullptr, nullptr};
  std::byte* undefined_ = nullptr;
  std::uint8_t* taint_ = nullptr;
  std::uint32_t* origins_ = nullptr;
  std::uint64_t ran_ = 0;        // instructions, up to the present turn
  std::uint64_t polled_at_ = 0;  // of them
  // Fairness: after so many backward branches another fragment gets its turns.
  std::uint32_t backward_branches_ = 0;
  LaneMask favoured_ = 0;
  std::uint32_t favoured_turns_ = 0;
};

}  // namespace virtual_gpu
