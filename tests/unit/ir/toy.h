/*
 * A cpu type and a machine for tests of the IR: slots of every type, helpers of every kind, a small instruction
 * set, memory that counts, and no core behind it.
 *
 * Memory: RAM from 0 to TOY_RAM; a device of one page at TOY_MMIO, where reads give the address and every access
 * is noted; everything else faults. One MMU index, virtual is physical.
 */
#ifndef TOY_H
#define TOY_H

#include <glib.h>
#include <patchbay/accel.h>

enum {
    TOY_RAM = 1 << 20,
    TOY_MMIO = 0x200000,
    TOY_VECTOR = 0x8000,      /* where faults go */
    TOY_TRAP_VECTOR = 0x8100, /* where the helper `trap` goes */
};

/* Slots: x0 to x7, then two of every other type (i1a i1b i8a i8b ...), mode, pc. */
enum { TOY_X = 0, TOY_PAIRS = 8, TOY_MODE = TOY_PAIRS + 24, TOY_PC, TOY_SLOTS };

/* The types that have a pair, in order. */
extern const uint8_t toy_pair_types[12];
/* First slot of a pair; 0 (x0) for i64. */
uint32_t toy_slot_of(ir_type type);

/* Each slot has 16 bytes, at its number times 16. */
typedef struct toy {
    pb_u128 slot[TOY_SLOTS];
} toy;

/* Helpers, in order. */
enum {
    TOY_SUM,   /* i64 a, b: a + 3 * b; pure */
    TOY_MIX,   /* v128 a, i32 b: a's halves swapped, b added to the low one; pure, vector form */
    TOY_SIX,   /* six i64: sum of n * argument n; pure */
    TOY_NOTE,  /* i64: notes where it is called */
    TOY_TRAP,  /* goes to TOY_TRAP_VECTOR; no return */
    TOY_LEAVE, /* i32 reason, i64 pc: leaves the run loop, goes on at pc */
    TOY_CHECK, /* i64: a fault if it is not 0 */
};

extern const pb_cpu_type toy_type;

/* Something seen by the machine: an access to the device, a call of `note`. */
typedef struct toy_event {
    uint64_t value; /* address, or the argument */
    uint64_t pc, retired;
    int64_t budget;
    uint32_t aux, reserved;
} toy_event;

typedef struct toy_machine {
    pb_object object;
    pb_vcpu *vcpu;
    toy *state;
    uint8_t *ram;
    uint32_t generation[TOY_RAM >> PB_PAGE_BITS]; /* by page */
    bool code[TOY_RAM >> PB_PAGE_BITS];           /* code was taken from it */
    GArray *events;                               /* toy_event */
    uint32_t faults;                              /* raised */
    pb_guest_fault fault;                         /* the last one */
    const pb_translate_ops *translate;
    int64_t
        cut_budget; /* if it is not negative: an access to the device lowers the budget to this */
    bool request_on_mmio; /* an access to the device sets exit_request */
    bool computes;        /* what is noted, and traps, take floating-point arithmetic of the host */
    uint64_t
        instead_of; /* that page's code comes from the page `instead`, under its own address; 0: none */
    uint64_t instead;
    uint32_t fault_in; /* the access with this number faults, counted from 1; 0: none */
    pb_tlb *tlb;       /* of every MMU index; empty */
    /* Where it can be refilled from after toy_fill_second(). */
    pb_tlb_refill refill;
    pb_tlb2 *second;
    uint8_t tagged[TOY_RAM >> PB_PAGE_BITS];
    uint32_t accesses; /* by operations of the host's table, to memory of any kind */
    uint32_t code_calls,
        requests; /* how often ops->code was called, and the machine asked to end */
} toy_machine;

/* A machine with zeroed memory and state, and a vCPU without accelerator. */
toy_machine *toy_new(void);
void toy_free(toy_machine *m);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(toy_machine, toy_free)
toy_machine *toy_of(pb_vcpu *vcpu);
const toy_event *toy_event_at(const toy_machine *m, uint32_t i);

/* ---- the instruction set: words of four bytes, op a b c ------------------------------------------------------ */

enum {
    TOY_I_MOVI = 1, /* xa = b | c << 8 */
    TOY_I_ADD,      /* xa = xb + xc */
    TOY_I_SUBS,     /* xa = xb - xc, flags */
    TOY_I_LD,       /* xa = [xb + c * 8] */
    TOY_I_ST,       /* [xb + c * 8] = xa */
    TOY_I_BNE,      /* to pc + 4 * signed (b | c << 8) */
    TOY_I_B,        /* the same, always */
    TOY_I_JR,       /* to xa */
    TOY_I_NOTE,     /* note(xa) */
    TOY_I_IDLE,     /* leave: PB_RUN_IDLE */
    TOY_I_TRAP,     /* trap */
    TOY_I_MODE,     /* the unit key becomes a */
    TOY_I_LONG,     /* eight bytes: xa = the second word */
    TOY_I_WORD,     /* word [xb + c * 4] = the low half of xa */
    TOY_I_CALL,     /* TOY_I_B that says so */
    TOY_I_RETURN,   /* the same */
    TOY_I_MAX
};

/* An instruction's word. */
static inline uint32_t toy_insn(uint32_t op, uint32_t a, uint32_t b, uint32_t c)
{
    return op | a << 8 | b << 16 | c << 24;
}

static inline uint32_t toy_branch(uint32_t op, int32_t words)
{
    return op | ((uint32_t)words & 0xffff) << 16;
}

/* The pages of RAM in the first-level TLB, or nothing. */
void toy_fill_tlb(toy_machine *m, bool all);
/* After toy_fill_tlb(): pages with a bit of TOY_SECOND in their numbers go to the second level, the odd ones to the space
 * for all. Of code nothing may be written. */
enum { TOY_SECOND = 0x12, TOY_SECOND_SETS = 1 << PB_TLB2_BITS };
void toy_fill_second(toy_machine *m);
void toy_load(toy_machine *m, uint64_t at, const uint32_t *words, size_t n);

#endif
