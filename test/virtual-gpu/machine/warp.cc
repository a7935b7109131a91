#include "machine/warp.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <utility>

#include "machine/block.h"
#include "machine/grid.h"

namespace virtual_gpu {
namespace {

constexpr std::uint32_t kMaxCallDepth = 128;
constexpr std::uint32_t kPatience = 64;       // backward branches before another fragment may run
constexpr std::uint32_t kFavouredTurns = 64;  // how often it is then preferred
constexpr std::uint32_t kLocalAlignment = 16;

std::uint32_t aligned(std::uint32_t bytes) {
  return (bytes + kLocalAlignment - 1) / kLocalAlignment * kLocalAlignment;
}

}  // namespace

Frame::Frame(const FunctionCode& function, Frame* caller, LaneMask lanes)
    : function(function),
      caller(caller),
      lanes(lanes),
      data(new std::byte[function.frame_bytes]),
      undefined(new std::byte[function.frame_bytes]),
      taint(function.slots + 1, kUnwritten),
      origins(function.slots + 1, 0) {
  taint[0] = kClean;
  // Lanes that never run are computed along; let them be numbers that trap nowhere.
  std::memset(data.get(), 0, function.frame_bytes);
  if (caller != nullptr) {
    depth = caller->depth + 1;
    local_base = caller->local_base + aligned(caller->function.local_bytes);
  }
}

Warp::Warp(Block& block, std::uint32_t index, LaneMask lanes)
    : block_(block), index_(index), existing_(lanes) {
  const Program& program = block.grid().program();
  frames_.push_back(std::make_unique<Frame>(program.functions[0], nullptr, lanes));
  add_fragment(frames_.back().get(), program.functions[0].first, lanes);
  bases_[kConstants] = const_cast<std::byte*>(program.constants.data());
}

Fragment& Warp::add_fragment(Frame* frame, std::uint32_t pc, LaneMask lanes) {
  Fragment& fragment = fragments_[count_++];
  fragment = {.frame = frame, .pc = pc, .lanes = lanes};
  return fragment;
}

void Warp::load_frame() {
  Frame& frame = *current_->frame;
  bases_[kRegisters] = frame.data.get();
  undefined_ = frame.undefined.get();
  taint_ = frame.taint.data();
  origins_ = frame.origins.data();
}

bool Warp::ready() const {
  return std::any_of(fragments_.begin(), fragments_.begin() + static_cast<std::ptrdiff_t>(count_),
                     [](const Fragment& f) { return f.wait == Wait::kReady && f.lanes != 0; });
}

/// Drops what is empty and merges what has met.
void Warp::tidy() {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    const Fragment fragment = fragments_[i];
    if (fragment.lanes == 0) continue;
    bool merged = false;
    for (std::size_t j = 0; j < kept && !merged; ++j) {
      Fragment& other = fragments_[j];
      merged = other.frame == fragment.frame && other.pc == fragment.pc &&
               other.wait == Wait::kReady && fragment.wait == Wait::kReady &&
               other.released == fragment.released;
      if (merged) other.lanes |= fragment.lanes;
    }
    if (!merged) fragments_[kept++] = fragment;
  }
  count_ = kept;
}

/// The ready fragment that is furthest behind: in the deepest call, then at the lowest place.
bool Warp::choose() {
  tidy();
  Fragment* best = nullptr;
  std::uint32_t ready = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    Fragment& fragment = fragments_[i];
    if (fragment.wait != Wait::kReady) continue;
    ++ready;
    const bool behind = best == nullptr || fragment.frame->depth > best->frame->depth ||
                        (fragment.frame->depth == best->frame->depth && fragment.pc < best->pc);
    if (behind) best = &fragment;
  }
  if (best == nullptr) return false;
  if (ready == 1) {
    backward_branches_ = 0;
    favoured_turns_ = 0;
  } else {
    if (backward_branches_ > kPatience) {
      backward_branches_ = 0;
      favoured_turns_ = kFavouredTurns;
      favoured_ = 1u << (block_.random() % kLanes);
    }
    if (favoured_turns_ > 0) {
      --favoured_turns_;
      // Any fragment will do; the first from a random lane on, so that each gets its turn.
      const int from = std::countr_zero(favoured_);
      std::uint32_t least = kLanes;
      for (std::size_t i = 0; i < count_; ++i) {
        if (fragments_[i].wait != Wait::kReady) continue;
        const auto distance =
            static_cast<std::uint32_t>(std::countr_zero(std::rotr(fragments_[i].lanes, from)));
        if (distance < least) {
          least = distance;
          best = &fragments_[i];
        }
      }
    }
  }
  current_ = best;
  load_frame();
  return true;
}

/// The next place at which another fragment of this call is ready: both go on from there.
std::uint32_t Warp::meeting_place() const {
  std::uint32_t place = ~0u;
  for (std::size_t i = 0; i < count_; ++i) {
    const Fragment& other = fragments_[i];
    if (&other != current_ && other.frame == current_->frame && other.wait == Wait::kReady &&
        other.pc > current_->pc) {
      place = std::min(place, other.pc);
    }
  }
  return place;
}

std::uint64_t Warp::run(std::uint64_t budget) {
  std::uint64_t ran = 0;
  while (ran < budget && choose()) {
    const std::uint64_t turn = run_fragment(budget - ran);
    ran += turn;
    ran_ += turn;
  }
  return ran;
}

std::uint64_t Warp::run_fragment(std::uint64_t budget) {
  const Op* ops = block_.grid().program().ops.data();
  Counters& counters = block_.counters();
  const std::uint32_t place = meeting_place();
  std::uint64_t ran = 0;
  while (ran < budget) {
    const Op& op = ops[current_->pc];
    LaneMask lanes = current_->lanes;
    LaneMask doubtful = 0;
    ++ran;
    if (op.guarded) lanes = guarded_lanes(op, doubtful);
    const std::size_t fragments = count_;
    if (lanes != 0) {
      const std::uint32_t pc = current_->pc;
      const Flow flow = op.execute(*this, op, lanes);
      if (flow != Flow::kWait) counters.count(pc, lanes);
      if (flow == Flow::kMoved) {
        if (count_ > 1 || current_->wait != Wait::kReady || current_->lanes == 0) return ran;
        continue;
      }
      if (flow == Flow::kWait) {
        // Those whose guard is false do not wait.
        const LaneMask others = current_->lanes & ~lanes;
        if (others != 0) add_fragment(current_->frame, current_->pc + 1, others);
        current_->lanes &= lanes;
        return ran;
      }
      if (doubtful != 0) {
        const std::uint32_t origin = origin_of(op.guard);
        for (std::uint32_t i = 0; i < op.destinations; ++i) {
          mark_undefined(op.operands[i], doubtful, origin);
        }
      }
    }
    if (++current_->pc == place || count_ != fragments) return ran;
  }
  return ran;
}

/// The lanes whose guard is true. Where it is undefined an instruction that only writes registers
/// is run and its result made undefined; any other is an error.
LaneMask Warp::guarded_lanes(const Op& op, LaneMask& doubtful) {
  const LaneMask lanes = current_->lanes;
  const LaneMask guard = predicate(op.guard);
  if (tainted(op.guard)) {
    doubtful = undefined_lanes(op.guard, lanes);
    if (doubtful != 0 && op.has_effects) require_defined(op, op.guard, lanes, "as a guard");
  }
  return lanes & ((op.guard.negated ? ~guard : guard) | doubtful);
}

/// Leaves only `lanes` in the fragment that runs; the others go on behind the instruction.
void Warp::take_lanes(LaneMask lanes) {
  const LaneMask others = current_->lanes & ~lanes;
  if (others != 0) add_fragment(current_->frame, current_->pc + 1, others);
  current_->lanes = lanes;
}

void Warp::split(LaneMask lanes, std::uint32_t pc) {
  take_lanes(lanes);
  current_->pc = pc;
}

void Warp::split_here(LaneMask lanes, LaneMask asked, std::uint32_t pc) {
  if (asked != lanes) add_fragment(current_->frame, current_->pc, asked & ~lanes);
  current_->lanes &= ~(asked & ~lanes);
  split(lanes, pc);
}

void Warp::call(const FunctionCode& function, LaneMask lanes) {
  take_lanes(lanes);
  const std::uint32_t return_pc = current_->pc + 1;
  // Lanes that make the same call later join those that are in it, so that they can meet there.
  for (const auto& frame : frames_) {
    const bool same = frame->caller == current_->frame && &frame->function == &function &&
                      frame->return_pc == return_pc && (frame->lanes & lanes) == 0;
    if (!same) continue;
    frame->lanes |= lanes;
    current_->frame = frame.get();
    current_->pc = function.first;
    return load_frame();
  }
  auto frame = std::make_unique<Frame>(function, current_->frame, lanes);
  frame->return_pc = return_pc;
  current_->frame = frame.get();
  current_->pc = function.first;
  frames_.push_back(std::move(frame));
  load_frame();
}

bool Warp::may_call() const { return current_->frame->depth < kMaxCallDepth; }

void Warp::leave_function(LaneMask lanes) {
  Frame* left = current_->frame;
  if (left->caller == nullptr) return exit(lanes);
  take_lanes(lanes);
  current_->frame = left->caller;
  current_->pc = left->return_pc;
  left->lanes &= ~lanes;
  if (left->lanes == 0) {
    std::erase_if(frames_, [left](const auto& frame) { return frame.get() == left; });
  }
  load_frame();
}

void Warp::exit(LaneMask lanes) {
  take_lanes(lanes);
  for (Frame* frame = current_->frame; frame != nullptr; frame = frame->caller) {
    frame->lanes &= ~lanes;
  }
  current_->lanes = 0;
  exited_ |= lanes;
  block_.lanes_exited();
  wake_members();
}

/// Fewer lanes have to come once some are gone.
void Warp::wake_members() {
  for (std::size_t i = 0; i < count_; ++i) {
    if (fragments_[i].wait == Wait::kMembers) fragments_[i].wait = Wait::kReady;
  }
}

bool Warp::converged(LaneMask members, LaneMask here) {
  const LaneMask needed = members & alive();
  if ((here & needed) == needed) return true;
  LaneMask come = here;
  const auto waits_with_us = [&](const Fragment& other) {
    return other.wait == Wait::kMembers && other.frame == current_->frame &&
           other.pc == current_->pc && other.members == members;
  };
  for (std::size_t i = 0; i < count_; ++i) {
    if (&fragments_[i] != current_ && waits_with_us(fragments_[i])) come |= fragments_[i].lanes;
  }
  current_->wait = Wait::kMembers;
  current_->members = members;
  if ((come & needed) == needed) {
    // All are here: they wake, merge, and run the instruction together.
    for (std::size_t i = 0; i < count_; ++i) {
      if (waits_with_us(fragments_[i])) fragments_[i].wait = Wait::kReady;
    }
  }
  return false;
}

bool Warp::met(LaneMask members, LaneMask here, Execute which) {
  const LaneMask needed = members & alive();
  if ((here & needed) == needed) return true;
  const Op* ops = block_.grid().program().ops.data();
  const auto waits_with_us = [&](const Fragment& other) {
    return other.wait == Wait::kMembers && other.members == members &&
           ops[other.pc].execute == which;
  };
  current_->wait = Wait::kMembers;
  current_->members = members;
  LaneMask come = here;
  for (std::size_t i = 0; i < count_; ++i) {
    if (&fragments_[i] != current_ && waits_with_us(fragments_[i])) come |= fragments_[i].lanes;
  }
  if ((come & needed) != needed) return false;
  for (std::size_t i = 0; i < count_; ++i) {
    if (!waits_with_us(fragments_[i])) continue;
    fragments_[i].wait = Wait::kReady;
    fragments_[i].released = true;
  }
  block_.synchronize_warp(*this);
  return false;
}

std::uint32_t Warp::add_origin(const std::string& sentence, const Op& op) {
  return block_.grid().add_origin(sentence + ", at PTX line " + std::to_string(op.line));
}

void Warp::wait_at_barrier(std::uint32_t barrier) {
  current_->wait = Wait::kBarrier;
  current_->barrier = barrier;
}

bool Warp::release(std::uint32_t barrier) {
  bool any = false;
  for (std::size_t i = 0; i < count_; ++i) {
    Fragment& fragment = fragments_[i];
    if (fragment.wait == Wait::kBarrier && fragment.barrier == barrier) {
      fragment.wait = Wait::kReady;
      fragment.released = true;
      any = true;
    }
  }
  return any;
}

void Warp::fault(HazardKind kind, const Op& op, std::uint32_t lane, std::string what,
                 const std::uint64_t* address) {
  Hazard hazard;
  hazard.kind = kind;
  hazard.what = std::move(what);
  block_.grid().locate(hazard, op);
  std::copy_n(block_.index(), 3, hazard.block);
  if (lane < kLanes) {
    hazard.has_thread = true;
    block_.thread_index(thread_of(lane), hazard.thread);
  }
  if (address != nullptr) {
    hazard.has_address = true;
    hazard.address = *address;
  }
  throw DeviceFault(std::move(hazard));
}

}  // namespace virtual_gpu
