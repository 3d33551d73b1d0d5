/*
 * A virtual processor as frontends (cpu types), accelerators and helpers see it.
 *
 * The core allocates one block: this structure, then the cpu type's instance (guest state) at
 * PB_VCPU_STATE_OFFSET, so that emitted code reaches both from one base register.
 */
#ifndef PATCHBAY_VCPU_H
#define PATCHBAY_VCPU_H

#include <patchbay/fp.h>
#include <patchbay/memory.h>
#include <patchbay/object.h>

typedef struct pb_vcpu pb_vcpu;
struct pb_cpu_type;
struct ir_unit;

/* Bits of exit_request: why the run loop should be left at the next safe point. */
typedef enum pb_exit_request {
    PB_EXIT_INTERRUPT = 1, /* an interrupt input changed: the cpu type's interrupt() decides */
    PB_EXIT_WORK = 2,      /* the core has work for this vCPU: flushes, exclusive sections, stop */
    PB_EXIT_ACCEL = 4,     /* the accelerator's own, which clears it: no reason to leave run() */
    PB_EXIT_USER = 8,  /* who runs the vCPU on a thread of its own wants it back, and clears this */
    PB_EXIT_BITS = 63, /* there are no others */
} pb_exit_request;

/* Results of memory operations. */
typedef enum pb_mem_result {
    PB_MEM_OK = 0,
    /* *fault is filled; nothing was done to the first byte that faulted or later ones */
    PB_MEM_FAULT,
    PB_MEM_FAIL, /* stx: the reservation was lost, nothing was stored */
} pb_mem_result;

typedef enum pb_scope {
    PB_SCOPE_LOCAL = 0, /* this vCPU */
    PB_SCOPE_ALL, /* every vCPU; complete when the call that waits for it (tlb_sync) returns */
} pb_scope;

/* Whose translations a flush is about. */
typedef enum pb_tlb_whose {
    PB_TLB_ALL = 0,          /* everybody's */
    PB_TLB_GUEST,            /* all of a guest's spaces, global ones too */
    PB_TLB_SPACE,            /* those of one space that are not global */
    PB_TLB_SPACE_AND_GLOBAL, /* those of one space, and its guest's global ones */
} pb_tlb_whose;

/* Which translations to forget. */
typedef struct pb_tlb_flush {
    uint32_t size;
    uint32_t mmu_mask;     /* bit per MMU index */
    uint32_t scope;        /* pb_scope */
    uint32_t whose;        /* pb_tlb_whose */
    uint32_t guest, space; /* as of tlb_switch */
    uint64_t gva, bytes;   /* 0 bytes: all addresses */
} pb_tlb_flush;

typedef struct pb_vcpu_ops {
    uint32_t size;

    /* -- guest virtual memory. Sizes, byte order, order and MMU index are in the attribute word.
     * Values are zero- or sign-extended to 64 bits (128-bit accesses use both halves). The whole of an
     * access that crosses a page is checked before any byte is stored. [vcpu] */
    pb_mem_result (*load)(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, pb_u128 *value,
                          pb_guest_fault *fault);
    pb_mem_result (*store)(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, pb_u128 value,
                           pb_guest_fault *fault);
    /* Atomic read-modify-write; *old is what was there, extended as a load. */
    pb_mem_result (*rmw)(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, uint32_t op, uint64_t operand,
                         uint64_t *old, pb_guest_fault *fault);
    pb_mem_result (*cas)(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, pb_u128 expected,
                         pb_u128 desired, pb_u128 *old, pb_guest_fault *fault);
    /* Load and remember address and value; store if memory still has that value (compare and swap).
     * Value comparison admits ABA. stx gives OK, FAIL or FAULT and ends the reservation. */
    pb_mem_result (*ldx)(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, pb_u128 *value,
                         pb_guest_fault *fault);
    pb_mem_result (*stx)(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, pb_u128 value,
                         pb_guest_fault *fault);

    /* Translate without accessing: address-translation instructions, probes before several writes,
     * debuggers (request->debug). */
    pb_mem_result (*translate)(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                               pb_guest_fault *fault);
    /* The page of code at gva for the MMU index; marks the page so that writes to what code_reads names are noticed. */
    pb_mem_result (*code)(pb_vcpu *vcpu, uint64_t gva, uint32_t mmu, pb_code_page *page,
                          pb_guest_fault *fault);

    /* -- physical memory, for page walks and descriptors. size 1, 2, 4, 8; little-endian value. [vcpu] */
    pb_bus_result (*phys_read)(pb_vcpu *vcpu, uint64_t gpa, pb_attrs attrs, uint32_t size,
                               uint64_t *value);
    pb_bus_result (*phys_write)(pb_vcpu *vcpu, uint64_t gpa, pb_attrs attrs, uint32_t size,
                                uint64_t value);
    /* Atomic update of a naturally aligned descriptor; false: it no longer was `expected`. */
    bool (*phys_cas)(pb_vcpu *vcpu, uint64_t gpa, pb_attrs attrs, uint32_t size, uint64_t expected,
                     uint64_t desired);

    /* -- software TLB. mmu_mask: bit per MMU index. [vcpu] */
    void (*tlb_flush)(pb_vcpu *vcpu, uint32_t mmu_mask, uint32_t scope);
    void (*tlb_flush_page)(pb_vcpu *vcpu, uint64_t gva, uint64_t bytes, uint32_t mmu_mask,
                           uint32_t scope);
    /* Wait until broadcast flushes asked for by this vCPU are done everywhere (DSB). */
    void (*tlb_sync)(pb_vcpu *vcpu);
    /* Instruction-cache maintenance by virtual address range, or everything (bytes 0). */
    void (*code_flush)(pb_vcpu *vcpu, uint64_t gva, uint64_t bytes);

    /* -- control. [any] unless said */
    /* Or bits into exit_request and wake the vCPU if it sleeps. */
    void (*kick)(pb_vcpu *vcpu, uint32_t bits);
    uint32_t (*vcpu_count)(pb_vcpu *vcpu);
    pb_vcpu *(*vcpu_at)(pb_vcpu *vcpu, uint32_t index);
    /* Run fn on the target's thread, while it is between instructions; asynchronous. Target may be powered off. */
    void (*run_on)(pb_vcpu *target, void (*fn)(pb_vcpu *target, uint64_t argument),
                   uint64_t argument);
    /* Power: an unpowered vCPU executes nothing. Own vCPU: takes effect when the helper returns with
     * unwind set. [any] */
    void (*set_powered)(pb_vcpu *vcpu, bool powered);
    bool (*powered)(pb_vcpu *vcpu);
    /* Take and release the device lock around calls through ports from [vcpu] code. Recursive. */
    void (*lock_devices)(pb_vcpu *vcpu);
    void (*unlock_devices)(pb_vcpu *vcpu);

    /* -- time. Retired instructions are exact inside a helper that is not declared pure. */
    pb_clock *(*clock)(pb_vcpu *vcpu);

    /* -- for code generators. The distance in bytes from a vCPU to its first-level TLB of an MMU index, which is made
     * on all vCPUs of the machine if it was not there. [any] */
    intptr_t (*tlb_prepare)(pb_vcpu *vcpu, uint32_t mmu);

    /* -- address spaces of the TLB. What walk() finds belongs to the space that its MMU index is in, or, if it says so, to
     * all spaces of the guest. `space` is the architecture's number of one (Arm: ASID), `guest` that of the
     * virtual machine (VMID), 0 where there is no such. Entries of a space are found again when the index comes back
     * to it. An index that was never switched is in space 0 of guest 0. Costs no more than what the first
     * level has. [vcpu], or while nothing runs */
    void (*tlb_switch)(pb_vcpu *vcpu, uint32_t mmu_mask, uint32_t guest, uint32_t space);
    /* As tlb_flush and tlb_flush_page, of less. [vcpu] */
    void (*tlb_flush_some)(pb_vcpu *vcpu, const pb_tlb_flush *flush);
    /* Enter the page of an access into the first level, if it was not there and is plain memory, and finding out
     * touches nothing but RAM: true, and the access may be tried again. It never faults, and the guest can see of
     * it what it would of the access itself: flags in its page tables. [vcpu] */
    bool (*tlb_fill)(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, bool write);

    /* -- pages with code and data. Say that `bytes` from offset `first` of the page will be read as code, before they are:
     * the page's generation counts writes to these, and perhaps to some around them. False: it does not, because the page
     * is mixed, of code and of data that is written often; the unit has to compare (ir_unit.compares). Also where a page
     * is not memory. Core and translators that read through a pb_code_reader need not care. [any] */
    bool (*code_reads)(pb_vcpu *vcpu, const pb_code_page *page, uint32_t first, uint32_t bytes);
    /* Whether a store would be one to memory that has no write tag for the only reason that there is code elsewhere in its
     * page, and leave all code as it is: then nothing but memory sees it, as with a store through a tag. `bytes`
     * from gva on lie in one page; attr is of the operation. It never faults. [vcpu] */
    bool (*is_beside_code)(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, uint32_t bytes);
} pb_vcpu_ops;

struct pb_vcpu {
    uint32_t size;
    uint32_t index;
    /* Written by any thread with atomic or; read at unit entries. */
    uint32_t exit_request;
    /* Set by a helper that changed the flow (took an exception, wrote the pc slot): the accelerator
     * drops the rest of the unit and goes on at the pc slot. Cleared by the accelerator. */
    uint32_t unwind;
    /* A pb_run_reason (accel.h) with which a helper wants the run loop left (with unwind), or 0. */
    uint32_t leave_reason;
    /* Not 0: the accelerator keeps neither budget nor retired (accel.h, counts). Set when it takes the vCPU. */
    uint32_t uncounted;
    /* Instructions this vCPU may still execute before run() returns PB_RUN_BUDGET; INT64_MAX when not
     * counting. Exact at every MMIO access and helper call (the instruction that executes is
     * counted off already), and read again after it: the core lowers it there when a timer was set
     * that expires earlier. */
    int64_t budget;
    /* Instructions begun since power-on, the one executing included; one that faults and one whose fetch
     * faults count too. Exact at the same places. */
    uint64_t retired;
    void *state; /* the cpu type's instance */
    const pb_vcpu_ops *ops;
    const struct pb_cpu_type *type;
    pb_object *object;
    void *accel; /* the accelerator's data for this vCPU */
    /* Of the instruction executing, at faults and in helpers that may exit: the mark's aux word. */
    uint32_t aux;
    uint32_t exclusive_bytes; /* reservation: 0 none */
    uint64_t exclusive_gva, exclusive_gpa;
    pb_u128 exclusive_value;
    /* Floating-point environments; FP operations name one by number. 0 is the current one; others are the
     * frontend's (Arm: 1 the standard FPSCR value, 2 for half precision). Of the flags PB_FP_IEEE_FLAGS are
     * state, and complete wherever the rest of the state is; the others (WHY, ROUNDED_UP) tell something of the last
     * operations that were done by pb_fp_ops, which depends on the accelerator. */
    pb_fp_env fp[4];
    /* First-level TLBs by MMU index; null: not in use yet (ops->tlb_prepare). Each lies at the same distance from
     * its vCPU in every vCPU of a machine, so emitted code reaches it without this pointer. */
    pb_tlb *tlb[PB_MMU_INDEXES];
    /* Changes whenever what ops->code said may have changed for this vCPU: another address space, a flush of the part of
     * its TLB where code was asked for, a change of the memory map. An earlier value comes back with the address
     * space that it stood for, if all is as it was. Written on its own thread. Who remembers code by virtual
     * address asks ops->code again when it differs. */
    uint32_t tlb_epoch;
    /* Not 0: a debugger watches accesses, which are made by ops->load and the like then, or by way of the TLB. Changes while the
     * vCPU is outside of run(). */
    uint32_t watched;
    /* For emitted code (codegen.h): where indirect jumps go, and the generator's own words. */
    struct pb_jump_entry *jumps;
    uint64_t codegen[32];
    /* By MMU index: how emitted code refills the first level from the second; null: it cannot, now. */
    pb_tlb_refill *refill[PB_MMU_INDEXES];
    /* Not 0: the host's signals that tell of traps (codegen.h) are blocked on its thread, so nothing may trap. Changes while the
     * vCPU is outside of run(). */
    uint32_t blocks_traps;
    uint32_t reserved;
};

#define PB_VCPU_STATE_OFFSET 1024
_Static_assert(sizeof(struct pb_vcpu) <= PB_VCPU_STATE_OFFSET, "guest state follows the vCPU");

static inline void *pb_vcpu_state(pb_vcpu *vcpu)
{
    return (char *)vcpu + PB_VCPU_STATE_OFFSET;
}
static inline pb_vcpu *pb_vcpu_of_state(void *state)
{
    return (pb_vcpu *)((char *)state - PB_VCPU_STATE_OFFSET);
}

#endif
