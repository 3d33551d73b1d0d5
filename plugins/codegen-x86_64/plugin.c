/*
 * codegen-x86_64: the class, what the host can do, running and patching.
 */
#include "emit.h"
#include "inject.h"
#include "passes.h"
#include "slow.h"

#include <cpuid.h>
#include <immintrin.h>
#include <stdio.h>
#include <stdlib.h>
#include <xmmintrin.h>

/* Where pinned slots go, in order. */
static const uint8_t pin_general[] = { RBX, RSI, RDI, R8, R9, R10, R11, R12 };
enum { PIN_VECTORS = 8 };

/* ---- the host ------------------------------------------------------------------------------------------------ */

/* x86-64-v2 (psABI 3.1): what code for the baseline uses. */
static bool has_baseline(pb_error *error)
{
    unsigned a, b, c, d, ea, eb, ec, ed;

    if (!__get_cpuid(1, &a, &b, &c, &d) || !__get_cpuid(0x80000001, &ea, &eb, &ec, &ed))
        return pb_fail(error, "the processor has no CPUID leaf that says what it is");
    if (!(c & bit_SSE4_2) || !(c & bit_SSSE3) || !(c & bit_POPCNT) || !(c & bit_CMPXCHG16B) ||
        !(ec & bit_LAHF_LM))
        return pb_fail(error, "the processor is older than x86-64-v2");
    return true;
}

static bool saves_avx(void)
{
    uint32_t low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & 6) == 6;
}

static bool is_made_by(unsigned signature)
{
    unsigned a, b, c, d;

    return __get_cpuid(0, &a, &b, &c, &d) && b == signature;
}

static uint32_t host_features(void)
{
    unsigned a, b, c = 0, d, b7 = 0, c7 = 0, ec = 0, x;
    uint32_t f = 0;

    __get_cpuid(1, &a, &b, &c, &d);
    __get_cpuid_count(7, 0, &a, &b7, &c7, &d);
    __get_cpuid(0x80000001, &a, &b, &ec, &x);
    f |= c & bit_MOVBE ? CG_MOVBE : 0;
    f |= c & bit_PCLMUL ? CG_PCLMUL : 0;
    f |= c & bit_AES ? CG_AES : 0;
    f |= ec & bit_LZCNT ? CG_LZCNT : 0;
    f |= b7 & bit_SHA ? CG_SHA : 0;
    f |= c7 & bit_GFNI ? CG_GFNI : 0;
    if (!(c & bit_OSXSAVE) || !(c & bit_AVX) || !saves_avx())
        return f;
    f |= CG_AVX;
    f |= b7 & bit_AVX2 ? CG_AVX2 : 0;
    f |= b7 & bit_BMI ? CG_BMI1 : 0;
    f |= b7 & bit_BMI2 ? CG_BMI2 : 0;
    f |= c & bit_FMA ? CG_FMA : 0;
    f |= c & bit_F16C ? CG_F16C : 0;
    if (f & CG_BMI1 && is_made_by(signature_AMD_ebx))
        f |= CG_FAST_BEXTR;
    if (f & CG_BMI2 && is_made_by(signature_INTEL_ebx))
        f |= CG_FAST_PEXT;
    return f;
}

static void describe(x86_codegen *s)
{
    static const struct {
        uint32_t feature;
        const char *name;
    } names[] = {
        { CG_AVX, "avx" },     { CG_AVX2, "avx2" },     { CG_BMI1, "bmi1" }, { CG_BMI2, "bmi2" },
        { CG_LZCNT, "lzcnt" }, { CG_MOVBE, "movbe" },   { CG_FMA, "fma" },   { CG_F16C, "f16c" },
        { CG_AES, "aes" },     { CG_PCLMUL, "pclmul" }, { CG_SHA, "sha" },   { CG_GFNI, "gfni" },
    };
    uint32_t n = (uint32_t)snprintf(s->host, sizeof(s->host), "x86-64:");

    for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (s->features & names[i].feature)
            n += (uint32_t)snprintf(s->host + n, sizeof(s->host) - n, " %s", names[i].name);
}

static bool init(void *self, pb_error *error)
{
    x86_codegen *s = self;

    if (!has_baseline(error))
        return false;
    s->features = s->baseline ? 0 : host_features();
    describe(s);
    return passes_init(s, error) && inject_init(s, error);
}

static void finish(void *self)
{
    x86_codegen *s = self;

    free(s->pin_of_slot);
    s->pin_of_slot = NULL;
    cg_free_room(s->room);
    s->room = NULL;
}

/* ---- start ----------------------------------------------------------------------------------------------------- */

bool cg_is_pinnable(const pb_slot *slot, bool vector)
{
    return vector ? slot->type == IR_V128 || slot->type == IR_V64
                  : slot->type == IR_I64 || slot->type == IR_I32;
}

static void choose_pins(x86_codegen *s)
{
    const uint16_t *rank = s->cpu->translator->pin_rank;
    uint32_t general = 0, vectors = 0;

    memset(s->pin_of_slot, CG_NO_REG, s->n_slots);
    s->free_set = 0xffffu & ~(CG_SET(RSP) | CG_SET(RBP) | CG_SET(R14));
    s->free_set |= CG_VECTOR_SET;
    for (; rank && *rank != PB_SLOT_END; rank++) {
        const pb_slot *slot = &s->cpu->slots[*rank];
        int8_t reg;

        if (cg_is_pinnable(slot, false) && general < s->most_pinned &&
            general < sizeof(pin_general))
            reg = (int8_t)pin_general[general++];
        else if (cg_is_pinnable(slot, true) && vectors < PIN_VECTORS)
            reg = (int8_t)(XMM0 + vectors++);
        else
            continue;
        s->pins[s->n_pins++] = (cg_pin){ *rank, reg };
        s->pin_of_slot[*rank] = reg;
        s->pinned_set |= CG_SET(reg);
    }
    s->free_set &= ~s->pinned_set;
}

static bool find_flag_slots(x86_codegen *s, pb_error *error)
{
    for (uint32_t i = 0; i < s->n_slots; i++) {
        if (s->cpu->slots[i].type != IR_FL)
            continue;
        if (s->n_flag_slots == sizeof(s->flag_slots) / sizeof(s->flag_slots[0]))
            return pb_fail(error, "cpu type '%s' has more than %u slots of flags",
                           s->cpu->head.name, s->n_flag_slots);
        s->flag_slots[s->n_flag_slots++] = (uint16_t)i;
    }
    return true;
}

static bool start(void *self, const pb_codegen_setup *setup, pb_codegen_info *info, pb_error *error)
{
    x86_codegen *s = self;

    if ((uintptr_t)pb_vcpu_state(setup->vcpu) % CG_STATE_ALIGN)
        return pb_fail(error, "the vCPU's state is not aligned to %d bytes", CG_STATE_ALIGN);
    s->counted = setup->counted;
    s->parallel = setup->parallel;
    s->vcpu = setup->vcpu;
    s->cpu = setup->vcpu->type;
    s->fp = setup->fp;
    s->n_pins = s->n_flag_slots = s->pinned_set = 0;
    for (s->n_slots = 0; s->cpu->slots[s->n_slots].name;)
        s->n_slots++;
    free(s->pin_of_slot);
    cg_free_room(s->room);
    s->room = NULL;
    s->pin_of_slot = malloc(s->n_slots + 1);
    if (!s->pin_of_slot)
        return pb_fail(error, "out of memory");
    choose_pins(s);
    cg_direct_start(s, setup);
    s->far_bits = setup->size >= offsetof(pb_codegen_setup, far_bits) + sizeof(setup->far_bits)
                      ? setup->far_bits
                      : 0;
    if (!find_flag_slots(s, error))
        return false;
    if (!make_thunks(s, &setup->thunks))
        return pb_fail(error, "%u bytes are too little for the thunks", setup->thunks.bytes);
    s->started = true;
    *info = (pb_codegen_info){ .size = sizeof(*info),
                               .pinned_slots = s->n_pins,
                               .jump_miss = s->thunk_jump_miss,
                               .host = s->host,
                               .typical_bytes = 64,
                               .compares = true,
                               .direct = s->direct,
                               .traps = true };
    return true;
}

/* ---- patching -------------------------------------------------------------------------------------------------- */

/* Write up to 8 bytes at p, which lie in one aligned word of 8 bytes, with one store. */
static void patch(uint8_t *p, const void *bytes, uint32_t n)
{
    uint64_t *word = (uint64_t *)(void *)((uintptr_t)p & ~(uintptr_t)7), value;
    uint32_t at = (uint32_t)((uintptr_t)p & 7);

    value = __atomic_load_n(word, __ATOMIC_RELAXED);
    memcpy((uint8_t *)&value + at, bytes, n);
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* A site is a jmp or jcc with a displacement of 32 bits, which lies in an aligned word. */
static void link_site(void *self, uint8_t *rw_site, const uint8_t *rx_site,
                      const uint8_t *rx_target)
{
    uint32_t opcode = *rw_site == 0xe9 ? 1 : 2;
    int32_t distance = (int32_t)(rx_target - (rx_site + opcode + 4));

    patch(rw_site + opcode, &distance, 4);
}

/* Five bytes of the entry's first instruction, in an aligned word, become a jmp. */
static void retire(void *self, uint8_t *rw_entry, const uint8_t *rx_entry, const uint8_t *rx_stale)
{
    int32_t distance = (int32_t)(rx_stale - (rx_entry + 5));
    uint8_t bytes[5] = { 0xe9 };

    memcpy(bytes + 1, &distance, 4);
    patch(rw_entry, bytes, 5);
}

/* ---- running --------------------------------------------------------------------------------------------------- */

static void run(void *self, pb_vcpu *vcpu, const void *entry, pb_code_exit *exit)
{
    x86_codegen *s = self;
    uint32_t host = _mm_getcsr(), guest = guest_mxcsr(vcpu);
    enter_function *enter = (enter_function *)(uintptr_t)s->thunk_enter;

    *exit = (pb_code_exit){ 0 };
    vcpu->codegen[CG_WORD_SUM] = (uint64_t)vcpu->budget + vcpu->retired;
    if (host != guest)
        _mm_setcsr(guest);
    enter(vcpu, entry, exit, s);
    merge_mxcsr(vcpu);                                    /* which the host's is mostly */
    if (s->counted && exit->kind != PB_CODE_EXIT_UNWOUND) /* then it is exact already */
        vcpu->retired = vcpu->codegen[CG_WORD_SUM] - (uint64_t)vcpu->budget;
    if (_mm_getcsr() != host)
        _mm_setcsr(host);
}

static void vcpu_init(void *self, pb_vcpu *vcpu)
{
    memset(vcpu->codegen, 0, sizeof(vcpu->codegen));
    cg_direct_vcpu(self, vcpu);
}

static const pb_code_frames *frames(void *self)
{
    return &((const x86_codegen *)self)->frames;
}

static uint64_t count(void *self, pb_vcpu *vcpu, uint32_t what)
{
    static const uint8_t words[PB_CODE_COUNTS] = {
        [PB_CODE_COUNT_REFILLS] = CG_WORD_REFILLS, [PB_CODE_COUNT_SLOW] = CG_WORD_SLOW
    };

    return what < PB_CODE_COUNTS ? __atomic_load_n(&vcpu->codegen[words[what]], __ATOMIC_RELAXED)
                                 : 0;
}

static uint32_t emit(void *self, pb_code_job *job)
{
    return emit_unit(self, job);
}

/* ---- the class ------------------------------------------------------------------------------------------------- */

static const pb_prop props[] = {
    { "baseline", PB_PROP_BOOL, PB_MEMBER(x86_codegen, baseline), "false",
      .doc = "Use nothing newer than x86-64-v2" },
    { "pinned", PB_PROP_UINT, PB_MEMBER(x86_codegen, most_pinned), "8", .max = 8,
      .doc = "General registers that keep guest registers between units, at most" },
    { "inject", PB_PROP_STRING, PB_MEMBER(x86_codegen, inject), "",
      .doc = "For tests: make wrong code for the instruction at this address; 0x1000@PASS: only if "
             "that pass is done, 0x1000@regions: only in those" },
    { "without", PB_PROP_STRING, PB_MEMBER(x86_codegen, without), "",
      .doc = "Passes that are left out, names joined by '+' or 'all': to find the one that makes "
             "wrong code (flags, dead, pairs, tests, lanes, scaled, fused, registers, "
             "loops, lazy, places, spans, remade)" },
    { 0 },
};

#define DERIVED "made by start"
static const pb_state state[] = {
    PB_TRANSIENT(x86_codegen, features, "of the host"),
    PB_TRANSIENT(x86_codegen, inject_pc, "made of a property"),
    PB_TRANSIENT(x86_codegen, inject_pass, "made of a property"),
    PB_TRANSIENT(x86_codegen, inject_region, "made of a property"),
    PB_TRANSIENT(x86_codegen, passes, "made of a property"),
    PB_TRANSIENT(x86_codegen, started, DERIVED),
    PB_TRANSIENT(x86_codegen, counted, DERIVED),
    PB_TRANSIENT(x86_codegen, parallel, DERIVED),
    PB_TRANSIENT(x86_codegen, vcpu, DERIVED),
    PB_TRANSIENT(x86_codegen, cpu, DERIVED),
    PB_TRANSIENT(x86_codegen, fp, DERIVED),
    PB_TRANSIENT(x86_codegen, n_slots, DERIVED),
    PB_TRANSIENT(x86_codegen, n_pins, DERIVED),
    PB_TRANSIENT(x86_codegen, pins, DERIVED),
    PB_TRANSIENT(x86_codegen, pinned_set, DERIVED),
    PB_TRANSIENT(x86_codegen, free_set, DERIVED),
    PB_TRANSIENT(x86_codegen, pin_of_slot, DERIVED),
    PB_TRANSIENT(x86_codegen, n_flag_slots, DERIVED),
    PB_TRANSIENT(x86_codegen, flag_slots, DERIVED),
    PB_TRANSIENT(x86_codegen, tlb, DERIVED),
    PB_TRANSIENT(x86_codegen, thunk_enter, DERIVED),
    PB_TRANSIENT(x86_codegen, thunk_exit, DERIVED),
    PB_TRANSIENT(x86_codegen, thunk_link, DERIVED),
    PB_TRANSIENT(x86_codegen, thunk_jump_miss, DERIVED),
    PB_TRANSIENT(x86_codegen, thunk_new_key, DERIVED),
    PB_TRANSIENT(x86_codegen, thunk_reason, DERIVED),
    PB_TRANSIENT(x86_codegen, thunk_entry, DERIVED),
    PB_TRANSIENT(x86_codegen, thunk_alone, DERIVED),
    PB_TRANSIENT(x86_codegen, thunk_changed, DERIVED),
    PB_TRANSIENT(x86_codegen, thunk_unwound, DERIVED),
    PB_TRANSIENT(x86_codegen, thunk_slow, DERIVED),
    PB_TRANSIENT(x86_codegen, thunk_redo, DERIVED),
    PB_TRANSIENT(x86_codegen, thunk_flags, DERIVED),
    PB_TRANSIENT(x86_codegen, thunk_reference, DERIVED),
    PB_TRANSIENT(x86_codegen, thunk_pure_scalar, DERIVED),
    PB_TRANSIENT(x86_codegen, thunk_pure_vector, DERIVED),
    PB_TRANSIENT(x86_codegen, thunk_scalar, DERIVED),
    PB_TRANSIENT(x86_codegen, thunk_vector, DERIVED),
    PB_TRANSIENT(x86_codegen, thunk_refill, DERIVED),
    PB_TRANSIENT(x86_codegen, shared, DERIVED),
    PB_TRANSIENT(x86_codegen, host, "of the host"),
    PB_TRANSIENT(x86_codegen, frame_rows, DERIVED),
    PB_TRANSIENT(x86_codegen, frames, DERIVED),
    PB_TRANSIENT(x86_codegen, room, "memory for emissions"),
    PB_TRANSIENT(x86_codegen, direct, DERIVED),
    PB_TRANSIENT(x86_codegen, far_bits, "of who opened it"),
    PB_TRANSIENT(x86_codegen, window, DERIVED),
    { 0 },
};

static const pb_codegen_type codegen_type = {
    .head = { .size = sizeof(pb_codegen_type),
              .kind = PB_KIND_CODEGEN,
              .name = "x86_64",
              .doc = "Code for x86-64 hosts, x86-64-v2 and newer",
              .instance_size = sizeof(x86_codegen),
              PB_SELF(x86_codegen, object),
              .props = props,
              .state = state,
              .init = init,
              .finish = finish },
    .start = start,
    .emit = emit,
    .link = link_site,
    .retire = retire,
    .run = run,
    .vcpu_init = vcpu_init,
    .frames = frames,
    .count = count,
    .fault = cg_direct_fault,
    .traps = cg_traps,
    .trap = cg_trap,
};

static const pb_class *const types[] = { &codegen_type.head, NULL };

PB_EXPORT const pb_plugin pb_plugin_entry = {
    .size = sizeof(pb_plugin),
    .abi_major = PB_ABI_MAJOR,
    .abi_minor = PB_ABI_MINOR,
    .id = "codegen-x86_64",
    .version = "0.1",
    .licence = "MIT",
    .doc = "Code generator for x86-64 hosts",
    .types = types,
};
