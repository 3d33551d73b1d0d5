/*
 * A processor made up for docs/write-a-cpu.md: four 32-bit registers, ten instructions, physical addresses.
 *
 * An instruction is four bytes: operation, register a, register b, immediate. A call leaves its return address
 * in r3. HALT ends the run; the status is in r0.
 */
#include <patchbay/accel.h>

enum { OP_HALT, OP_LDI, OP_ADD, OP_SUB, OP_LOAD, OP_STORE, OP_JUMP, OP_JZ, OP_CALL, OP_RET };

typedef struct sample_cpu {
    pb_object *self;
    uint32_t r[4], pc;
    uint32_t flags; /* of the last ADD or SUB, packed (ir.h) */
} sample_cpu;

/* Registers are slots: IR, debuggers, snapshots and logs know them by this table. */
enum { SLOT_R0, SLOT_PC = 4, SLOT_FLAGS };

static const pb_slot slots[] = {
    { "r0", IR_I32, PB_SLOT(sample_cpu, r[0]), "general", 0 },
    { "r1", IR_I32, PB_SLOT(sample_cpu, r[1]), "general", 1 },
    { "r2", IR_I32, PB_SLOT(sample_cpu, r[2]), "general", 2 },
    { "r3", IR_I32, PB_SLOT(sample_cpu, r[3]), "general", 3 },
    { "pc", IR_I32, PB_SLOT(sample_cpu, pc), "general", 4 },
    { "flags", IR_FL, PB_SLOT(sample_cpu, flags), "general", 5 },
    { 0 },
};

/* ---- helpers: what IR cannot do ------------------------------------------------------------------- */

enum { HELPER_HALT, HELPER_BAD };

static uint64_t stop(pb_vcpu *vcpu, int32_t status)
{
    sample_cpu *s = vcpu->state;

    vcpu->ops->set_powered(vcpu, false);
    s->self->ops->request(s->self, PB_MACHINE_POWER_OFF, status);
    vcpu->unwind = 1;
    return 0;
}

static uint64_t halt(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                     uint64_t f)
{
    return stop(vcpu, (int32_t)a);
}

static uint64_t bad(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                    uint64_t f)
{
    sample_cpu *s = vcpu->state;

    pb_log_guest(s->self, "undefined instruction %#llx at pc %#x", (unsigned long long)a, s->pc);
    return stop(vcpu, 1);
}

static const pb_helper helpers[] = {
    [HELPER_HALT] = { "halt",
                      PB_HELPER_MAY_EXIT | PB_HELPER_NO_RETURN | PB_HELPER_ALL_SLOTS,
                      IR_VOID,
                      1,
                      { IR_I32 },
                      .scalar = halt },
    [HELPER_BAD] = { "bad",
                     PB_HELPER_MAY_EXIT | PB_HELPER_NO_RETURN | PB_HELPER_ALL_SLOTS,
                     IR_VOID,
                     1,
                     { IR_I32 },
                     .scalar = bad },
    { 0 },
};

/* ---- translation ------------------------------------------------------------------------------------ */

static ir_val reg(ir_builder *b, unsigned n)
{
    return ir_get(b, IR_I32, SLOT_R0 + (n & 3));
}
static void set_reg(ir_builder *b, unsigned n, ir_val value)
{
    ir_put(b, value, SLOT_R0 + (n & 3));
}

static const uint32_t word = PB_MEM_SIZE_LOG2(2) | PB_MEM_ALIGN_LOG2(2);

static pb_tr_status insn(void *ctx, ir_builder *b, pb_code_reader *reader, uint64_t pc)
{
    uint8_t code[4];
    ir_val flags, value;

    if (!reader->read(reader, pc, code, sizeof(code)))
        return PB_TR_FETCH_FAULT;
    ir_insn(b, pc, sizeof(code), 0);
    switch (code[0]) {
    case OP_LDI:
        set_reg(b, code[1], ir_imm32(b, (uint32_t)code[2] << 8 | code[3]));
        return PB_TR_NEXT;
    case OP_ADD:
        value = ir_add_fl(b, reg(b, code[1]), reg(b, code[2]), &flags);
        set_reg(b, code[1], value);
        ir_put(b, flags, SLOT_FLAGS);
        return PB_TR_NEXT;
    case OP_SUB:
        value = ir_sub_fl(b, reg(b, code[1]), reg(b, code[2]), &flags);
        set_reg(b, code[1], value);
        ir_put(b, flags, SLOT_FLAGS);
        return PB_TR_NEXT;
    case OP_LOAD: /* the load may fault, so the register is written after it */
        value = ir_ld(b, IR_I32, ir_add(b, reg(b, code[2]), ir_imm32(b, code[3])), word);
        set_reg(b, code[1], value);
        return PB_TR_NEXT;
    case OP_STORE:
        ir_st(b, ir_add(b, reg(b, code[2]), ir_imm32(b, code[3])), reg(b, code[1]), word);
        return PB_TR_NEXT;
    case OP_JUMP:
        ir_jump(b, (uint32_t)code[2] << 8 | code[3]);
        return PB_TR_END;
    case OP_JZ:
        ir_branch_cc(b, IR_EQ, ir_get(b, IR_FL, SLOT_FLAGS), (uint32_t)code[2] << 8 | code[3],
                     pc + 4);
        return PB_TR_END;
    case OP_CALL:
        set_reg(b, 3, ir_imm32(b, (uint32_t)pc + 4));
        ir_jump(b, (uint32_t)code[2] << 8 | code[3]);
        return PB_TR_END;
    case OP_RET:
        ir_jump_ind(b, reg(b, 3), IR_HINT_RETURN);
        return PB_TR_END;
    case OP_HALT:
        value = reg(b, 0);
        ir_call(b, HELPER_HALT, IR_VOID, &value, 1);
        break;
    default:
        value = ir_imm32(b, code[0]);
        ir_call(b, HELPER_BAD, IR_VOID, &value, 1);
    }
    ir_exit(b, PB_RUN_POWER_OFF, pc + 4);
    return PB_TR_END;
}

static uint64_t unit_key(const pb_vcpu *vcpu)
{
    return 0;
}
static uint32_t fetch_mmu(uint64_t key)
{
    return 0;
}
static void begin(void *ctx, ir_builder *b, const pb_vcpu *vcpu, uint64_t pc, uint64_t key) {}
static void key_text(uint64_t key, char *text, uint32_t size)
{
    snprintf(text, size, "sample");
}

static const uint16_t pin_rank[] = { SLOT_R0, SLOT_R0 + 1, SLOT_R0 + 2, SLOT_R0 + 3, PB_SLOT_END };

static const pb_translator translator = {
    .size = sizeof(pb_translator),
    .ctx_size = 1,
    .unit_key = unit_key,
    .fetch_mmu = fetch_mmu,
    .begin = begin,
    .insn = insn,
    .helpers = helpers,
    .pin_rank = pin_rank,
    .key_text = key_text,
};

/* ---- the processor ------------------------------------------------------------------------------------- */

/* There is no MMU: everything is mapped one to one. */
static bool walk(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                 pb_guest_fault *fault)
{
    *out = (pb_translation){ .gpa = request->gva,
                             .page_bytes = PB_PAGE_SIZE,
                             .prot = PB_PROT_READ | PB_PROT_WRITE | PB_PROT_EXEC };
    return true;
}

/* There are no exceptions: a fault ends the run. */
static void raise_fault(pb_vcpu *vcpu, const pb_guest_fault *fault)
{
    sample_cpu *s = vcpu->state;

    pb_log_guest(s->self, "fault at address %#llx, pc %#x", (unsigned long long)fault->gva, s->pc);
    stop(vcpu, 1);
}

static bool no_interrupt(pb_vcpu *vcpu)
{
    return false;
}
static bool has_work(pb_vcpu *vcpu)
{
    return false;
}
static uint32_t data_mmu(const pb_vcpu *vcpu)
{
    return 0;
}

static void boot(pb_vcpu *vcpu, uint64_t pc, const uint64_t arguments[4])
{
    ((sample_cpu *)vcpu->state)->pc = (uint32_t)pc;
}

static void reset(void *self)
{
    sample_cpu *s = self;

    memset(s->r, 0, sizeof(s->r));
    s->pc = s->flags = 0;
}

static const pb_cpu_type sample_type = {
    .head = { .size = sizeof(pb_cpu_type),
              .kind = PB_KIND_CPU,
              .name = "sample",
              .doc = "Ten instructions",
              .instance_size = sizeof(sample_cpu),
              PB_SELF(sample_cpu, self),
              .reset = reset },
    .slots = slots,
    .pc_slot = SLOT_PC,
    .translator = &translator,
    .walk = walk,
    .raise = raise_fault,
    .interrupt = no_interrupt,
    .has_work = has_work,
    .data_mmu = data_mmu,
    .insn_align = 4,
    .boot = boot,
};

static const pb_class *const types[] = { &sample_type.head, NULL };

PB_EXPORT const pb_plugin pb_plugin_entry = {
    .size = sizeof(pb_plugin),
    .abi_major = PB_ABI_MAJOR,
    .abi_minor = PB_ABI_MINOR,
    .id = "cpu-sample",
    .version = "0.1",
    .licence = "MIT",
    .doc = "A made-up processor",
    .types = types,
};
