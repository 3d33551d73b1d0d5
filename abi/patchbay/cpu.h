/*
 * CPU types: the register file, translation to IR, page walks, exceptions.
 *
 * The instance of a cpu type is the guest state of one vCPU. Its class's tables say what properties
 * it has (`psci: hvc`), what ports (irq inputs, timer outputs), and what else is state; the slots
 * table below names the architectural registers, and IR, debuggers, snapshots, instrumentation and
 * the execution log read that one table.
 */
#ifndef PATCHBAY_CPU_H
#define PATCHBAY_CPU_H

#include <patchbay/device.h>
#include <patchbay/ir.h>
#include <patchbay/vcpu.h>

/* One architectural register. Rows are numbered from 0: that number is the slot in IR. Slots never overlap. */
typedef struct pb_slot {
    const char *name;  /* "x0", as the manual and debuggers spell it */
    uint32_t type;     /* ir_type; IR_FL slots occupy 4 bytes (ir.h, packed flags) */
    uint32_t offset;   /* in the instance */
    const char *group; /* "general", "vector", "system": what dumps show together */
    int32_t gdb;       /* number in the architecture's gdb description, -1: none */
    /* IR_FL slots: the flags that a put keeps, 1 << IR_FLAG_*; the others read as zero. 0: all. */
    uint32_t flags;
} pb_slot;

#define PB_SLOT(type_, member) .offset = offsetof(type_, member)

/* The bits of a bundle that a slot of type IR_FL keeps. */
static inline uint32_t pb_slot_flags(const pb_slot *slot)
{
    return slot->flags ? slot->flags : IR_FL_ALL;
}

/* Bytes that a slot occupies, in host byte order: those of its type; i1 is a byte of 0 or 1, f80 is 16 bytes
 * (significand, then sign with exponent, zeros above), 128-bit types are a pb_u128. */
static inline uint32_t pb_slot_bytes(uint32_t type)
{
    return type == IR_F80 ? 16 : (ir_type_bits[type] + 7u) / 8u;
}

typedef enum pb_helper_flags {
    /* result depends on arguments only; may be merged or dropped. It computes with integers: the host's floating point is
     * the guest's while emitted code runs, rounding and flags alike */
    PB_HELPER_PURE = 1,
    PB_HELPER_MAY_FAULT = 2, /* may set unwind after an exception: a precise point */
    PB_HELPER_MAY_EXIT = 4,  /* the same, for other reasons than a fault */
    PB_HELPER_NO_RETURN = 8, /* always sets unwind */
    PB_HELPER_READS_MEMORY = 16,
    PB_HELPER_WRITES_MEMORY = 32,
    PB_HELPER_USES_FP = 64, /* reads or accrues into vcpu->fp */
    /* may read and write every slot: what a helper that declares none does */
    PB_HELPER_ALL_SLOTS = 128,
    PB_HELPER_VECTOR = 256, /* has the vector form of function */
} pb_helper_flags;

#define PB_HELPER_MAX_ARGS 6

/* A function that IR calls. Scalar form: integers of any width come zero-extended, the result is
 * truncated to the declared type. Vector form: arguments and result are 128-bit values in memory
 * (smaller ones zero-extended). A helper that changes the flow writes the pc slot and sets vcpu->unwind.
 * Inside, the pc slot holds the address of the current instruction unless the helper is pure. [vcpu] */
typedef struct pb_helper {
    const char *name;
    uint32_t flags; /* pb_helper_flags */
    uint8_t result; /* ir_type, IR_VOID: none */
    uint8_t n_args;
    uint8_t args[PB_HELPER_MAX_ARGS]; /* ir_type */
    uint64_t (*scalar)(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                       uint64_t f);
    void (*vector)(pb_vcpu *vcpu, pb_u128 *result, const pb_u128 *args);
    /* Slots read and written, each ends with PB_SLOT_END; null with PB_HELPER_ALL_SLOTS, or none. */
    const uint16_t *reads, *writes;
} pb_helper;

#define PB_SLOT_END 0xffff

/* What happened to a translation after one guest instruction. */
typedef enum pb_tr_status {
    PB_TR_NEXT = 0,    /* goes on at the next instruction */
    PB_TR_END,         /* the IR block was ended: jump, exit */
    PB_TR_FETCH_FAULT, /* the reader failed; nothing was emitted for this instruction */
} pb_tr_status;

/* Reads guest code for a translator, across pages. Made by the core. */
typedef struct pb_code_reader {
    uint32_t size;
    /* Bytes at pc, up to length; false: fetching faults there. */
    bool (*read)(struct pb_code_reader *reader, uint64_t pc, void *bytes, uint32_t length);
} pb_code_reader;

/* A bit of unit keys that is the accelerator's: a translator sets it in none, and does not look at it in those that it
 * is given. */
#define PB_KEY_ACCEL (UINT64_C(1) << 63)

/* The core drives: it opens a block, calls begin once a unit, then insn for each guest instruction until that
 * returns something else than NEXT, or the core's limits are reached (the core then emits the jump to the
 * next pc). One unit may have several runs of instructions (a region): begin is called again for each entry.
 *
 * After PB_TR_END the core may go on at the target of the unit's last record, if that is a jump without
 * IR_NEW_KEY (behind a conditional branch, along an unconditional one): it takes the jump back and
 * calls insn in the same block, without begin. So what the context remembers (values in its block,
 * what the instructions so far proved) must hold on the way through that jump. */
typedef struct pb_translator {
    uint32_t size;
    uint32_t ctx_size; /* bytes of the translator's context, zeroed before begin */
    /* Everything but pc and code bytes that translated code depends on: mode, privilege, MMU on, FP
     * enabled, rounding, debug. Without PB_KEY_ACCEL. [vcpu] [hot] */
    uint64_t (*unit_key)(const pb_vcpu *vcpu);
    /* MMU index of instruction fetch under a key. */
    uint32_t (*fetch_mmu)(uint64_t key);
    void (*begin)(void *ctx, ir_builder *b, const pb_vcpu *vcpu, uint64_t pc, uint64_t key);
    /* Translate one instruction: read it, ir_insn(b, pc, length, aux), then its operations. Undefined
     * instructions are not errors: they translate to the exception. */
    pb_tr_status (*insn)(void *ctx, ir_builder *b, pb_code_reader *reader, uint64_t pc);
    const pb_helper *helpers; /* numbered from 0; ends with a row without a name */
    /* slots in order of worth of a host register; ends with PB_SLOT_END */
    const uint16_t *pin_rank;
    /* Short text of a unit key for dumps: "el1.le.fp". Writes at most size bytes. */
    void (*key_text)(uint64_t key, char *text, uint32_t size);
    /* Where a jump to a computed pc leads under a key, if not there (tags that are ignored). What it gives stays the same if it
     * is given again. So translations do without: a pc that equals one where a jump has led is looked up as it
     * is, any other passes here first. Null: all lead where they say. [vcpu] */
    uint64_t (*jump_target)(uint64_t key, uint64_t pc);
} pb_translator;

/* Where a computed jump leads. */
static inline uint64_t pb_jump_target(const pb_translator *translator, uint64_t key, uint64_t pc)
{
    return PB_HAS(translator, jump_target) && translator->jump_target
               ? translator->jump_target(key, pc)
               : pc;
}

/* ---- what debuggers see: gdb manual, "Target Descriptions" ---------------------------------------------- */

/* A register of the architecture's description for gdb that is not one slot. Called while the vCPU stands. */
typedef struct pb_gdb_register {
    const char *name;
    int32_t number;   /* as pb_slot.gdb */
    uint32_t bits;    /* 8, 16, 32 or 64 */
    const char *type; /* of gdb, or of the feature's `types`; null: an unsigned integer */
    uint64_t (*read)(pb_vcpu *vcpu);
    /* Bits that cannot be written are ignored. Null: none can. `loaded` of the class is called afterwards, as it is after slots
     * were written. */
    void (*write)(pb_vcpu *vcpu, uint64_t value);
} pb_gdb_register;

/* One feature of it: the registers with numbers from first to last, slots and others. */
typedef struct pb_gdb_feature {
    const char *name; /* "org.gnu.gdb.aarch64.core" */
    int32_t first, last;
    const char
        *types; /* elements that define types, as they stand in the description; may be null */
    const char *vector; /* the type of slots of type IR_V128; may be null */
} pb_gdb_feature;

typedef struct pb_gdb_target {
    uint32_t size;
    uint32_t sp_slot;                 /* the stack pointer */
    const char *architecture;         /* "aarch64" */
    const pb_gdb_feature *features;   /* ends with a row without a name */
    const pb_gdb_register *registers; /* ends with a row without a name */
    /* A feature for the slots of the group "system" that have no number: they get those behind the last. Null: they are not
     * shown. */
    const char *system;
    /* Instead of these a user program has one register, which leads to a thread's own data: the feature that gdb knows it in, its
     * name there, and the slot. Null: none. */
    const char *tls, *tls_name;
    uint32_t tls_slot;
} pb_gdb_target;

typedef struct pb_cpu_type {
    pb_class head;
    const pb_slot *slots; /* ends with a row without a name */
    uint32_t pc_slot;     /* an IR_I64 or IR_I32 slot */
    const pb_translator *translator;

    /* Page walk for one access; fills *out, or the fault's info (kind PB_FAULT_WALK or PB_FAULT_BUS) and
     * returns false. Must not take the device lock except through vcpu->ops. [vcpu] */
    bool (*walk)(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                 pb_guest_fault *fault);
    /* Take the exception for a fault of the instruction at the pc slot. [vcpu] */
    void (*raise)(pb_vcpu *vcpu, const pb_guest_fault *fault);
    /* exit_request had PB_EXIT_INTERRUPT, or execution starts: take a pending interrupt if there is one
     * and it is not masked; true if one was taken. Masked ones stay pending without polling: unmasking
     * instructions end the unit with exit PB_RUN_REQUEST. [vcpu] */
    bool (*interrupt)(pb_vcpu *vcpu);
    /* Whether a vCPU that idles (WFI) should go on. [any] */
    bool (*has_work)(pb_vcpu *vcpu);
    /* MMU index that debuggers and the log use for the current state. */
    uint32_t (*data_mmu)(const pb_vcpu *vcpu);
    const pb_fdt_desc *fdt; /* the cpu's node; `compatible`, extra */
    /* Nodes at the tree's root that come with this cpu: psci, timer; called once. May be null. */
    bool (*fdt_root)(void *self, const pb_fdt_writer *writer, pb_error *error);
    /* Disassemble for logs: "capstone" architecture and mode. */
    struct {
        int arch, mode;
    } capstone;
    uint32_t insn_align; /* 4, 2 or 1 */
    const pb_gap *gaps;  /* ends with a row without a name; may be null */
    /* Loader's entry: start at pc in the architecture's boot state, with up to 4 argument registers
     * (A64: x0..x3); as secondary = not started. [setup] */
    void (*boot)(pb_vcpu *vcpu, uint64_t pc, const uint64_t arguments[4]);
    /* Linux's user interface of this architecture (user.h); null: not there. */
    const struct pb_user_arch *user;
    /* For debuggers; null: it cannot be debugged. Who has it knows PB_FAULT_DEBUG in raise(). */
    const pb_gdb_target *gdb;
} pb_cpu_type;

/* A member that was added at the end: true if a type is new enough to have it. */
#define PB_CPU_HAS(type, member) \
    ((type)->head.size >= offsetof(pb_cpu_type, member) + sizeof((type)->member))

#endif
