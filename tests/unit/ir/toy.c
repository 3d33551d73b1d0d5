/*
 * The cpu type and machine of the IR's tests: see toy.h.
 */
#include "toy.h"

#include <stdlib.h>

const uint8_t toy_pair_types[12] = { IR_I1,  IR_I8,  IR_I16, IR_I32, IR_I128, IR_F16,
                                     IR_F32, IR_F64, IR_F80, IR_V64, IR_V128, IR_FL };

uint32_t toy_slot_of(ir_type type)
{
    for (uint32_t i = 0; i < G_N_ELEMENTS(toy_pair_types); i++)
        if (toy_pair_types[i] == type)
            return TOY_PAIRS + 2 * i;
    return TOY_X;
}

#define SLOT(n, name_, type_) [n] = { .name = name_, .type = type_, .offset = 16 * (n), .gdb = -1 }

static const pb_slot slots[TOY_SLOTS + 1] = {
    SLOT(0, "x0", IR_I64),
    SLOT(1, "x1", IR_I64),
    SLOT(2, "x2", IR_I64),
    SLOT(3, "x3", IR_I64),
    SLOT(4, "x4", IR_I64),
    SLOT(5, "x5", IR_I64),
    SLOT(6, "x6", IR_I64),
    SLOT(7, "x7", IR_I64),
    SLOT(8, "i1a", IR_I1),
    SLOT(9, "i1b", IR_I1),
    SLOT(10, "i8a", IR_I8),
    SLOT(11, "i8b", IR_I8),
    SLOT(12, "i16a", IR_I16),
    SLOT(13, "i16b", IR_I16),
    SLOT(14, "i32a", IR_I32),
    SLOT(15, "i32b", IR_I32),
    SLOT(16, "i128a", IR_I128),
    SLOT(17, "i128b", IR_I128),
    SLOT(18, "f16a", IR_F16),
    SLOT(19, "f16b", IR_F16),
    SLOT(20, "f32a", IR_F32),
    SLOT(21, "f32b", IR_F32),
    SLOT(22, "f64a", IR_F64),
    SLOT(23, "f64b", IR_F64),
    SLOT(24, "f80a", IR_F80),
    SLOT(25, "f80b", IR_F80),
    SLOT(26, "v64a", IR_V64),
    SLOT(27, "v64b", IR_V64),
    SLOT(28, "v128a", IR_V128),
    SLOT(29, "v128b", IR_V128),
    SLOT(30, "fla", IR_FL),
    SLOT(31, "flb", IR_FL),
    SLOT(TOY_MODE, "mode", IR_I64),
    SLOT(TOY_PC, "pc", IR_I64),
    { 0 },
};

toy_machine *toy_of(pb_vcpu *vcpu)
{
    return (toy_machine *)((char *)vcpu->object - offsetof(toy_machine, object));
}

const toy_event *toy_event_at(const toy_machine *m, uint32_t i)
{
    return &g_array_index(m->events, toy_event, i);
}

/* Sets the host's inexact flag. */
static void compute(void)
{
    static volatile double number = 1;

    number = number / 3 + 1;
}

static void note(pb_vcpu *vcpu, uint64_t value)
{
    toy_machine *m = toy_of(vcpu);
    toy_event event = { .value = value,
                        .pc = m->state->slot[TOY_PC].lo,
                        .retired = vcpu->retired,
                        .budget = vcpu->budget,
                        .aux = vcpu->aux };

    g_array_append_val(m->events, event);
    if (m->computes)
        compute();
}

/* ---- helpers ------------------------------------------------------------------------------------------ */

static uint64_t help_sum(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                         uint64_t f)
{
    return a + 3 * b;
}

static void help_mix(pb_vcpu *vcpu, pb_u128 *result, const pb_u128 *args)
{
    *result = (pb_u128){ args[0].hi + args[1].lo, args[0].lo };
}

static uint64_t help_six(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                         uint64_t f)
{
    return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f;
}

static uint64_t help_note(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                          uint64_t f)
{
    note(vcpu, a);
    return 0;
}

static uint64_t help_trap(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                          uint64_t f)
{
    toy_of(vcpu)->state->slot[TOY_PC].lo = TOY_TRAP_VECTOR;
    if (toy_of(vcpu)->computes)
        compute();
    vcpu->unwind = 1;
    return 0;
}

static uint64_t help_leave(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                           uint64_t e, uint64_t f)
{
    toy_of(vcpu)->state->slot[TOY_PC].lo = b;
    vcpu->leave_reason = (uint32_t)a;
    vcpu->unwind = 1;
    return 0;
}

static uint64_t help_check(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                           uint64_t e, uint64_t f)
{
    return a ? help_trap(vcpu, a, b, c, d, e, f) : 7;
}

static const pb_helper helpers[] = {
    [TOY_SUM] = { .name = "sum",
                  .flags = PB_HELPER_PURE,
                  .result = IR_I64,
                  .n_args = 2,
                  .args = { IR_I64, IR_I64 },
                  .scalar = help_sum },
    [TOY_MIX] = { .name = "mix",
                  .flags = PB_HELPER_PURE | PB_HELPER_VECTOR,
                  .result = IR_V128,
                  .n_args = 2,
                  .args = { IR_V128, IR_I32 },
                  .vector = help_mix },
    [TOY_SIX] = { .name = "six",
                  .flags = PB_HELPER_PURE,
                  .result = IR_I64,
                  .n_args = 6,
                  .args = { IR_I64, IR_I64, IR_I64, IR_I64, IR_I64, IR_I64 },
                  .scalar = help_six },
    [TOY_NOTE] = { .name = "note",
                   .flags = PB_HELPER_ALL_SLOTS,
                   .n_args = 1,
                   .args = { IR_I64 },
                   .scalar = help_note },
    [TOY_TRAP] = { .name = "trap",
                   .flags = PB_HELPER_ALL_SLOTS | PB_HELPER_NO_RETURN,
                   .scalar = help_trap },
    [TOY_LEAVE] = { .name = "leave",
                    .flags = PB_HELPER_ALL_SLOTS | PB_HELPER_MAY_EXIT,
                    .n_args = 2,
                    .args = { IR_I32, IR_I64 },
                    .scalar = help_leave },
    [TOY_CHECK] = { .name = "check",
                    .flags = PB_HELPER_ALL_SLOTS | PB_HELPER_MAY_FAULT,
                    .result = IR_I8,
                    .n_args = 1,
                    .args = { IR_I64 },
                    .scalar = help_check },
    { 0 },
};

/* ---- instructions --------------------------------------------------------------------------------------- */

static uint64_t unit_key(const pb_vcpu *vcpu)
{
    return ((const toy *)vcpu->state)->slot[TOY_MODE].lo;
}

static uint32_t fetch_mmu(uint64_t key)
{
    return 0;
}

static void begin(void *ctx, ir_builder *b, const pb_vcpu *vcpu, uint64_t pc, uint64_t key) {}

static ir_val address_of(ir_builder *b, uint32_t base, uint32_t offset)
{
    return ir_add(b, ir_get(b, IR_I64, TOY_X + base), ir_imm64(b, offset));
}

enum { DOUBLE_WORD = PB_MEM_SIZE_LOG2(3), WORD = PB_MEM_SIZE_LOG2(2) };

static pb_tr_status translate_data(ir_builder *b, uint32_t op, uint32_t a, uint32_t x, uint32_t c)
{
    ir_val r, fl;

    switch (op) {
    case TOY_I_MOVI:
        ir_put(b, ir_imm64(b, x | c << 8), a);
        break;
    case TOY_I_ADD:
        ir_put(b, ir_add(b, ir_get(b, IR_I64, x), ir_get(b, IR_I64, c & 7)), a);
        break;
    case TOY_I_SUBS:
        r = ir_sub_fl(b, ir_get(b, IR_I64, x), ir_get(b, IR_I64, c & 7), &fl);
        ir_put(b, r, a);
        ir_put(b, fl, toy_slot_of(IR_FL));
        break;
    case TOY_I_LD:
        ir_put(b, ir_ld(b, IR_I64, address_of(b, x, c * 8), DOUBLE_WORD), a);
        break;
    case TOY_I_ST:
        ir_st(b, address_of(b, x, c * 8), ir_get(b, IR_I64, a), DOUBLE_WORD);
        break;
    case TOY_I_WORD:
        ir_st(b, address_of(b, x, c * 4), ir_trunc(b, IR_I32, ir_get(b, IR_I64, a)), WORD);
        break;
    default: {
        ir_val argument = ir_get(b, IR_I64, a);

        ir_call(b, TOY_NOTE, IR_VOID, &argument, 1);
    }
    }
    return PB_TR_NEXT;
}

static pb_tr_status translate_flow(ir_builder *b, uint64_t pc, uint32_t op, uint32_t a,
                                   int64_t offset)
{
    switch (op) {
    case TOY_I_BNE:
        ir_branch_cc(b, IR_NE, ir_get(b, IR_FL, toy_slot_of(IR_FL)), pc + (uint64_t)offset, pc + 4);
        break;
    case TOY_I_B:
        ir_jump(b, pc + (uint64_t)offset);
        break;
    case TOY_I_CALL:
        ir_jump_flags(b, pc + (uint64_t)offset, IR_HINT_CALL);
        break;
    case TOY_I_RETURN:
        ir_jump_flags(b, pc + (uint64_t)offset, IR_HINT_RETURN);
        break;
    case TOY_I_JR:
        ir_jump_ind(b, ir_get(b, IR_I64, a), IR_HINT_JUMP);
        break;
    case TOY_I_IDLE:
        ir_exit(b, PB_RUN_IDLE, pc + 4);
        break;
    case TOY_I_MODE:
        ir_put(b, ir_imm64(b, a), TOY_MODE);
        ir_jump_flags(b, pc + 4, IR_NEW_KEY);
        break;
    default:
        ir_call(b, TOY_TRAP, IR_VOID, NULL, 0);
        ir_jump(b, pc);
    }
    return PB_TR_END;
}

static pb_tr_status insn(void *ctx, ir_builder *b, pb_code_reader *reader, uint64_t pc)
{
    uint32_t word, second, op, a, x, c;

    if (!reader->read(reader, pc, &word, 4))
        return PB_TR_FETCH_FAULT;
    op = word & 0xff;
    a = word >> 8 & 7;
    x = word >> 16 & 7;
    c = word >> 24;
    if (op == TOY_I_LONG) {
        if (!reader->read(reader, pc + 4, &second, 4))
            return PB_TR_FETCH_FAULT;
        ir_insn(b, pc, 8, 0);
        ir_put(b, ir_imm64(b, second), a);
        return PB_TR_NEXT;
    }
    ir_insn(b, pc, 4, (uint32_t)pc ^ 0xa5);
    switch (op) {
    case TOY_I_MOVI:
        return translate_data(b, op, a, word >> 16 & 0xff, c);
    case TOY_I_ADD:
    case TOY_I_SUBS:
    case TOY_I_LD:
    case TOY_I_ST:
    case TOY_I_WORD:
    case TOY_I_NOTE:
        return translate_data(b, op, a, x, c);
    default:
        return translate_flow(b, pc, op, a, 4 * (int64_t)(int16_t)(word >> 16));
    }
}

static void key_text(uint64_t key, char *text, uint32_t size)
{
    snprintf(text, size, "mode%u", (unsigned)key);
}

/* What a code generator may keep in registers; x6 and x7 stay in memory. */
static const uint16_t pin_rank[] = { 0, 1, 2, 3, 4, 5, 14, 15, 26, 27, 28, 29, PB_SLOT_END };

static const pb_translator translator = {
    .pin_rank = pin_rank,
    .size = sizeof(pb_translator),
    .unit_key = unit_key,
    .fetch_mmu = fetch_mmu,
    .begin = begin,
    .insn = insn,
    .helpers = helpers,
    .key_text = key_text,
};

static void raise_fault(pb_vcpu *vcpu, const pb_guest_fault *fault)
{
    toy_machine *m = toy_of(vcpu);

    m->faults++;
    m->fault = *fault;
    note(vcpu, fault->gva);
    m->state->slot[TOY_PC].lo = TOY_VECTOR;
    vcpu->unwind = 1;
}

const pb_cpu_type toy_type = {
    .head = { .size = sizeof(pb_cpu_type),
              .kind = PB_KIND_CPU,
              .name = "toy",
              .instance_size = sizeof(toy) },
    .slots = slots,
    .pc_slot = TOY_PC,
    .translator = &translator,
    .raise = raise_fault,
    .insn_align = 4,
};

/* ---- memory ----------------------------------------------------------------------------------------------- */

static pb_mem_result refuse(uint32_t kind, uint32_t type, uint64_t gva, pb_guest_fault *fault)
{
    *fault = (pb_guest_fault){ .kind = kind, .type = type, .gva = gva };
    return PB_MEM_FAULT;
}

/* Check an access; OK with *host null: the device. */
static pb_mem_result reach(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, uint32_t type,
                           pb_guest_fault *fault, uint8_t **host)
{
    toy_machine *m = toy_of(vcpu);
    uint64_t bytes = PB_MEM_GET_BYTES(attr);

    m->accesses++;
    if (m->fault_in > 0 && --m->fault_in == 0)
        return refuse(PB_FAULT_BUS, type, gva, fault);
    if (gva & ((1u << PB_MEM_GET_ALIGN_LOG2(attr)) - 1))
        return refuse(PB_FAULT_ALIGNMENT, type, gva, fault);
    if (gva < TOY_RAM && TOY_RAM - gva >= bytes) {
        *host = m->ram + gva;
        for (uint64_t page = gva >> PB_PAGE_BITS;
             type == PB_ACCESS_WRITE && page <= (gva + bytes - 1) >> PB_PAGE_BITS; page++) {
            m->generation[page] += m->code[page];
            m->code[page] = false;
        }
        return PB_MEM_OK;
    }
    if (gva >= TOY_MMIO && gva - TOY_MMIO < PB_PAGE_SIZE && bytes <= 8) {
        *host = NULL;
        note(vcpu, gva);
        if (m->cut_budget >= 0)
            vcpu->budget = MIN(vcpu->budget, m->cut_budget);
        if (m->request_on_mmio)
            vcpu->exit_request |= PB_EXIT_WORK;
        return PB_MEM_OK;
    }
    return refuse(PB_FAULT_WALK, type, gva, fault);
}

/* Bytes in memory order to a number, extended. */
static pb_u128 extend(const uint8_t *bytes, uint32_t attr)
{
    uint32_t n = PB_MEM_GET_BYTES(attr);
    uint8_t le[16] = { 0 };
    pb_u128 v;

    for (uint32_t i = 0; i < n; i++)
        le[i] = bytes[attr & PB_MEM_BIG_ENDIAN ? n - 1 - i : i];
    memcpy(&v, le, 16);
    if (attr & PB_MEM_SIGNED && n < 8)
        v.lo = (uint64_t)((int64_t)(v.lo << (64 - 8 * n)) >> (64 - 8 * n));
    return v;
}

static void put_bytes(uint8_t *bytes, uint32_t attr, pb_u128 v)
{
    uint32_t n = PB_MEM_GET_BYTES(attr);
    uint8_t le[16];

    memcpy(le, &v, 16);
    for (uint32_t i = 0; i < n; i++)
        bytes[attr & PB_MEM_BIG_ENDIAN ? n - 1 - i : i] = le[i];
}

static pb_mem_result toy_load_op(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, pb_u128 *value,
                                 pb_guest_fault *fault)
{
    uint8_t *host;
    pb_mem_result r = reach(vcpu, gva, attr, PB_ACCESS_READ, fault, &host);

    if (r == PB_MEM_OK)
        *value = host ? extend(host, attr) : (pb_u128){ gva, 0 };
    return r;
}

static pb_mem_result toy_store_op(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, pb_u128 value,
                                  pb_guest_fault *fault)
{
    uint8_t *host;
    pb_mem_result r = reach(vcpu, gva, attr, PB_ACCESS_WRITE, fault, &host);

    if (r == PB_MEM_OK && host)
        put_bytes(host, attr, value);
    return r;
}

static uint64_t combine(uint32_t op, uint64_t old, uint64_t x, uint32_t bits)
{
    int64_t so = (int64_t)(old << (64 - bits)), sx = (int64_t)(x << (64 - bits));
    uint64_t uo = old << (64 - bits), ux = x << (64 - bits);

    switch (op) {
    case PB_RMW_ADD:
        return old + x;
    case PB_RMW_AND:
        return old & x;
    case PB_RMW_ANDN:
        return old & ~x;
    case PB_RMW_OR:
        return old | x;
    case PB_RMW_XOR:
        return old ^ x;
    case PB_RMW_SMAX:
        return so > sx ? old : x;
    case PB_RMW_SMIN:
        return so < sx ? old : x;
    case PB_RMW_UMAX:
        return uo > ux ? old : x;
    case PB_RMW_UMIN:
        return uo < ux ? old : x;
    default:
        return x;
    }
}

static pb_mem_result toy_rmw(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, uint32_t op,
                             uint64_t operand, uint64_t *old, pb_guest_fault *fault)
{
    uint8_t *host;
    pb_mem_result r = reach(vcpu, gva, attr, PB_ACCESS_WRITE, fault, &host);
    uint8_t device[16] = { 0 };

    if (r != PB_MEM_OK)
        return r;
    if (!host)
        host = device;
    *old = extend(host, attr).lo;
    put_bytes(host, attr, (pb_u128){ combine(op, *old, operand, 8 * PB_MEM_GET_BYTES(attr)), 0 });
    return r;
}

static pb_mem_result toy_cas(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, pb_u128 expected,
                             pb_u128 desired, pb_u128 *old, pb_guest_fault *fault)
{
    uint8_t *host, device[16] = { 0 }, wanted[16];
    pb_mem_result r = reach(vcpu, gva, attr, PB_ACCESS_WRITE, fault, &host);

    if (r != PB_MEM_OK)
        return r;
    if (!host)
        host = device;
    *old = extend(host, attr);
    put_bytes(wanted, attr, expected);
    if (!memcmp(wanted, host, PB_MEM_GET_BYTES(attr)))
        put_bytes(host, attr, desired);
    return r;
}

static pb_mem_result toy_ldx(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, pb_u128 *value,
                             pb_guest_fault *fault)
{
    pb_mem_result r = toy_load_op(vcpu, gva, attr, value, fault);

    if (r == PB_MEM_OK) {
        vcpu->exclusive_bytes = PB_MEM_GET_BYTES(attr);
        vcpu->exclusive_gva = gva;
        vcpu->exclusive_value = (pb_u128){ 0, 0 };
        if (gva < TOY_RAM)
            memcpy(&vcpu->exclusive_value, toy_of(vcpu)->ram + gva, vcpu->exclusive_bytes);
    }
    return r;
}

static pb_mem_result toy_stx(pb_vcpu *vcpu, uint64_t gva, uint32_t attr, pb_u128 value,
                             pb_guest_fault *fault)
{
    bool held = vcpu->exclusive_bytes == PB_MEM_GET_BYTES(attr) && vcpu->exclusive_gva == gva;
    pb_u128 old = vcpu->exclusive_value;
    uint8_t *host;
    pb_mem_result r;

    vcpu->exclusive_bytes = 0;
    if (!held)
        return PB_MEM_FAIL;
    r = reach(vcpu, gva, attr, PB_ACCESS_WRITE, fault, &host);
    if (r != PB_MEM_OK || !host)
        return r;
    if (memcmp(host, &old, PB_MEM_GET_BYTES(attr)) != 0)
        return PB_MEM_FAIL;
    put_bytes(host, attr, value);
    return r;
}

static pb_mem_result toy_translate(pb_vcpu *vcpu, const pb_walk_request *request,
                                   pb_translation *out, pb_guest_fault *fault)
{
    if (request->gva >= TOY_RAM &&
        (request->gva < TOY_MMIO || request->gva - TOY_MMIO >= PB_PAGE_SIZE))
        return refuse(PB_FAULT_WALK, request->type, request->gva, fault);
    *out = (pb_translation){ .gpa = request->gva, .page_bytes = PB_PAGE_SIZE, .prot = 7 };
    return PB_MEM_OK;
}

static pb_mem_result toy_code(pb_vcpu *vcpu, uint64_t gva, uint32_t mmu, pb_code_page *page,
                              pb_guest_fault *fault)
{
    static const uint32_t never = 0;
    toy_machine *m = toy_of(vcpu);
    uint64_t number = gva >> PB_PAGE_BITS;

    m->code_calls++;
    if (gva >= TOY_MMIO && gva - TOY_MMIO < PB_PAGE_SIZE) {
        *page = (pb_code_page){ .gpa = TOY_MMIO, .generation = &never };
        return PB_MEM_OK;
    }
    if (gva >= TOY_RAM)
        return refuse(PB_FAULT_WALK, PB_ACCESS_FETCH, gva, fault);
    if (m->instead_of && gva >> PB_PAGE_BITS == m->instead_of >> PB_PAGE_BITS)
        number = m->instead >> PB_PAGE_BITS;
    m->code[number] = true;
    *page = (pb_code_page){ .host = m->ram + (number << PB_PAGE_BITS),
                            .gpa = gva & ~PB_PAGE_MASK,
                            .generation = &m->generation[number],
                            .stamp = m->generation[number] };
    return PB_MEM_OK;
}

/* Code in the device: words that say `trap`, noted as accesses. */
static pb_bus_result toy_phys_read(pb_vcpu *vcpu, uint64_t gpa, pb_attrs attrs, uint32_t size,
                                   uint64_t *value)
{
    if (gpa < TOY_MMIO || gpa - TOY_MMIO >= PB_PAGE_SIZE || !attrs.instruction)
        return PB_BUS_DECODE;
    note(vcpu, gpa);
    *value = (gpa & 3) == 0 ? TOY_I_TRAP : 0;
    return PB_BUS_OK;
}

static intptr_t toy_tlb_prepare(pb_vcpu *vcpu, uint32_t mmu)
{
    return -(intptr_t)sizeof(pb_tlb);
}

static const pb_vcpu_ops vcpu_ops = {
    .tlb_prepare = toy_tlb_prepare,
    .size = sizeof(pb_vcpu_ops),
    .load = toy_load_op,
    .store = toy_store_op,
    .rmw = toy_rmw,
    .cas = toy_cas,
    .ldx = toy_ldx,
    .stx = toy_stx,
    .translate = toy_translate,
    .code = toy_code,
    .phys_read = toy_phys_read,
};

/* ---- the machine ------------------------------------------------------------------------------------------ */

static G_GNUC_PRINTF(3, 4) void say(pb_object *object, uint32_t kind, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
}

static const void *extension(pb_object *object, const char *id)
{
    toy_machine *m = (toy_machine *)((char *)object - offsetof(toy_machine, object));

    if (!strcmp(id, PB_EXTENSION_TRANSLATE))
        return m->translate;
    return strcmp(id, PB_FP_EXTENSION) ? NULL : &pb_fp_ops_table;
}

static void request(pb_object *object, uint32_t what, int32_t status)
{
    ((toy_machine *)((char *)object - offsetof(toy_machine, object)))->requests++;
}

static const pb_object_ops object_ops = {
    .size = sizeof(pb_object_ops),
    .log = say,
    .extension = extension,
    .request = request,
};

toy_machine *toy_new(void)
{
    toy_machine *m = g_new0(toy_machine, 1);

    m->object.ops = &object_ops;
    m->ram = aligned_alloc(PB_PAGE_SIZE, TOY_RAM);
    memset(m->ram, 0, TOY_RAM);
    m->events = g_array_new(false, false, sizeof(toy_event));
    m->cut_budget = -1;
    m->tlb = aligned_alloc(64, sizeof(pb_tlb) + PB_VCPU_STATE_OFFSET +
                                   ((sizeof(toy) + 63) & ~(size_t)63));
    m->vcpu = (pb_vcpu *)(void *)(m->tlb + 1);
    memset(m->vcpu, 0, PB_VCPU_STATE_OFFSET + sizeof(toy));
    m->vcpu->size = sizeof(pb_vcpu);
    m->vcpu->ops = &vcpu_ops;
    m->vcpu->type = &toy_type;
    m->vcpu->object = &m->object;
    m->vcpu->state = pb_vcpu_state(m->vcpu);
    m->vcpu->budget = INT64_MAX;
    m->state = m->vcpu->state;
    toy_fill_tlb(m, false);
    return m;
}

void toy_free(toy_machine *m)
{
    if (!m)
        return;
    free(m->ram);
    g_free(m->second);
    g_array_unref(m->events);
    free(m->tlb);
    g_free(m);
}

static void empty_tlb(toy_machine *m)
{
    for (uint32_t i = 0; i < PB_TLB_ENTRIES; i++) {
        m->tlb->tag_read[i] = m->tlb->tag_write[i] = pb_tlb_invalid(i);
        m->tlb->addend[i] = UINTPTR_MAX;
    }
}

void toy_fill_tlb(toy_machine *m, bool all)
{
    empty_tlb(m);
    for (uint32_t page = 0; all && page < TOY_RAM >> PB_PAGE_BITS; page++) {
        m->tlb->tag_read[page] = (uint64_t)page << PB_PAGE_BITS;
        m->tlb->tag_write[page] =
            m->code[page] ? pb_tlb_invalid(page) : (uint64_t)page << PB_PAGE_BITS;
        m->tlb->addend[page] = (uintptr_t)m->ram;
    }
}

void toy_fill_second(toy_machine *m)
{
    if (!m->second)
        m->second = g_new0(pb_tlb2, 1);
    m->refill = (pb_tlb_refill){ .size = sizeof(pb_tlb_refill),
                                 .space = { 5, 9 },
                                 .salt = { 0x123, 0x456 },
                                 .set_mask = TOY_SECOND_SETS - 1,
                                 .kinds = PB_TLB2_PAGES | PB_TLB2_PAGES << PB_TLB2_KINDS_BITS,
                                 .first = m->tlb,
                                 .second = m->second };
    m->vcpu->refill[0] = &m->refill;
    for (uint32_t page = 0; page < TOY_RAM >> PB_PAGE_BITS; page++) {
        uint32_t space = page & 1, set = (page ^ m->refill.salt[space]) & (TOY_SECOND_SETS - 1);
        uint32_t way = page >> 2 & (PB_TLB2_WAYS - 1);

        m->tagged[page] = m->code[page] ? 0 : PB_TLB2_TAGGED;
        if (!(page & TOY_SECOND))
            continue;
        m->tlb->tag_read[page] = m->tlb->tag_write[page] = pb_tlb_invalid(page);
        m->second->tag[set][way] = (uint64_t)page << PB_PAGE_BITS | m->refill.space[space];
        m->second->entry[set][way] = (pb_tlb2_entry){
            .plain = ((uintptr_t)m->ram + ((uintptr_t)page << PB_PAGE_BITS)) | PB_TLB2_READ |
                     PB_TLB2_WRITE,
            .tagged = &m->tagged[page],
        };
    }
}

void toy_load(toy_machine *m, uint64_t at, const uint32_t *words, size_t n)
{
    if (n)
        memcpy(m->ram + at, words, 4 * n);
}
