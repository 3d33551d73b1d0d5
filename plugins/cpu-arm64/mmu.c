/*
 * Address translation: stage 1 of the EL1&0, EL2 and EL3 regimes, and stage 2 of EL1&0.
 *
 * Manual: DDI 0487, D8 "The AArch64 Virtual Memory System Architecture"; the order of checks is
 * that of J1 "aarch64/translation". MMU indexes are described in cpu.h.
 *
 * TLB: what it enters for EL1&0 belongs to an address space, ASID, of a virtual machine, VMID (D8.13 "Translation
 * Lookaside Buffers"); the core is told when the current one changes. Like hardware it keeps what it has if a table's
 * base changes and the ASID does not. EL2 and EL3 have no ASID here, and their registers flush. Addresses with
 * a tag in the top byte (TBI) have entries of their own, so that FAR_ELx gets the tag;
 * arm64_cpu.tagged tells TLBI that there are such.
 *
 * Left out: memory of the Large Physical Address extensions beyond 48 bits.
 */
#include "cpu.h"
#include "sysregs.h"

/* Descriptor bits (D8.3). */
#define DESC_VALID    BIT64(0)
#define DESC_TABLE    BIT64(1) /* or page, at level 3 */
#define DESC_NS       BIT64(5)
#define DESC_AP1      BIT64(6) /* EL0 may access */
#define DESC_AP2      BIT64(7) /* read-only */
#define DESC_AF       BIT64(10)
#define DESC_NG       BIT64(11)
#define DESC_DBM      BIT64(51)
#define DESC_PXN      BIT64(53)
#define DESC_XN       BIT64(54)
#define DESC_PXNTABLE BIT64(59)
#define DESC_XNTABLE  BIT64(60)
#define DESC_APTABLE0 BIT64(61) /* no access from EL0 */
#define DESC_APTABLE1 BIT64(62) /* read-only */
#define DESC_NSTABLE  BIT64(63)
#define DESC_S2AP_R   BIT64(6)
#define DESC_S2AP_W   BIT64(7)
#define DESC_ADDRESS  UINT64_C(0x0000fffffffff000)

/* What one stage of one regime is set up for. */
typedef struct stage {
    uint32_t el; /* whose regime: 1, 2 or 3 */
    bool stage2;
    bool privileged, pan;
    bool secure;
    bool ee;     /* descriptors are big-endian */
    bool ha, hd; /* hardware updates the access flag, the dirty state */
    bool hpd;    /* hierarchical permissions are disabled */
    bool wxn;
    uint64_t mair;
    uint64_t base;        /* TTBR or VTTBR */
    uint32_t input_bits;  /* size of the input address */
    uint32_t output_bits; /* size of output addresses */
    uint32_t grain_bits;  /* of the granule */
    uint32_t start_level;
} stage;

/* A leaf that was found, with what its tables add. */
typedef struct leaf {
    uint64_t desc;    /* after hierarchical attributes */
    uint64_t address; /* of the descriptor, if it has to be updated */
    uint64_t raw;     /* as read, in the byte order of memory */
    uint32_t level;
    uint32_t block_bits;
    bool secure; /* of the tables: NSTable was clear all the way */
} leaf;

typedef struct walk {
    pb_vcpu *vcpu;
    arm64_cpu *cpu;
    const pb_walk_request *request;
    pb_guest_fault *fault;
} walk;

static uint64_t bits(uint64_t value, uint32_t high, uint32_t low)
{
    return (value >> low) & (UINT64_MAX >> (63 - (high - low)));
}

static bool fail(const walk *w, uint32_t fsc, uint32_t level, uint32_t flags, uint64_t ipa)
{
    w->fault->kind = PB_FAULT_WALK;
    w->fault->type = w->request->type;
    w->fault->gva = w->request->gva;
    w->fault->gpa = ipa;
    w->fault->info[0] = (fsc | level) | flags;
    w->fault->info[1] = ipa;
    return false;
}

/* ---- regimes --------------------------------------------------------------------------------- */

uint32_t arm64_mmu_regime_el(uint32_t mmu)
{
    return mmu == MMU_E3 ? 3 : mmu == MMU_E2 ? 2 : 1;
}

uint32_t arm64_mmu_data(const arm64_cpu *cpu)
{
    switch (current_el(cpu)) {
    case 0:
        return MMU_E10_0;
    case 1:
        return cpu->pstate & PSTATE_PAN ? MMU_E10_1_PAN : MMU_E10_1;
    case 2:
        return MMU_E2;
    default:
        return MMU_E3;
    }
}

uint32_t arm64_mmu_fetch(const arm64_cpu *cpu)
{
    uint32_t mmu = arm64_mmu_data(cpu);

    return mmu == MMU_E10_1_PAN ? MMU_E10_1 : mmu;
}

uint32_t arm64_tbi(const arm64_cpu *cpu, uint32_t el)
{
    if (el < 2)
        return (uint32_t)bits(cpu->sys[TCR_EL1], 38, 37);
    return cpu->sys[el == 2 ? TCR_EL2 : TCR_EL3] & TCR_EL23_TBI ? 3 : 0;
}

uint32_t arm64_asid_of(const arm64_cpu *cpu, uint64_t value)
{
    return (uint32_t)bits(value, cpu->sys[TCR_EL1] & TCR_EL1_AS ? 63 : 55, 48);
}

uint32_t arm64_vmid(const arm64_cpu *cpu)
{
    return arm64_el2_enabled(cpu) ? (uint32_t)bits(cpu->sys[VTTBR_EL2], 63, 48) : 0;
}

void arm64_update_space(pb_vcpu *vcpu)
{
    const arm64_cpu *cpu = cpu_of(vcpu);
    uint64_t ttbr = cpu->sys[cpu->sys[TCR_EL1] & TCR_EL1_A1 ? TTBR1_EL1 : TTBR0_EL1];

    vcpu->ops->tlb_switch(vcpu, MMU_MASK_E10, arm64_vmid(cpu), arm64_asid_of(cpu, ttbr));
}

/* Physical address sizes: TCR.IPS, TCR_ELx.PS, VTCR.PS, ID_AA64MMFR0_EL1.PARange. */
static uint32_t address_bits(uint64_t code)
{
    static const uint8_t sizes[8] = { 32, 36, 40, 42, 44, 48, 48, 48 };

    return sizes[code & 7];
}

static uint32_t implemented_bits(const walk *w)
{
    return address_bits(model_of(w->vcpu)->aa64mmfr0 & 15);
}

/* TG0 of TCR_ELx and VTCR_EL2; a granule that the model lacks acts as 4 KiB. */
static uint32_t granule_of_tg0(const walk *w, uint64_t tg0)
{
    if (tg0 == 1)
        return 16;
    if (tg0 == 2 && bits(model_of(w->vcpu)->aa64mmfr0, 23, 20))
        return 14;
    return 12;
}

static uint32_t granule_of_tg1(const walk *w, uint64_t tg1)
{
    static const uint8_t as_tg0[4] = { 0, 2, 0, 1 };

    return granule_of_tg0(w, as_tg0[tg1 & 3]);
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* TxSZ outside its range acts as the nearest value (D8.2, CONSTRAINED UNPREDICTABLE). */
static uint32_t clamp_tsz(uint64_t tsz)
{
    return tsz < 16 ? 16 : tsz > 39 ? 39 : (uint32_t)tsz;
}

static void set_start_level(stage *s)
{
    uint32_t stride = s->grain_bits - 3;

    s->start_level = 4 - (s->input_bits - s->grain_bits + stride - 1) / stride;
}

/* The tables that translate a virtual address in an EL1&0 regime; false: none (EPDx). */
static bool stage1_el1(const walk *w, stage *s, uint64_t gva)
{
    uint64_t tcr = w->cpu->sys[TCR_EL1];
    bool upper = bits(gva, 55, 55) != 0;

    s->base = w->cpu->sys[upper ? TTBR1_EL1 : TTBR0_EL1];
    s->mair = w->cpu->sys[MAIR_EL1];
    s->output_bits = min_u32(address_bits(bits(tcr, 34, 32)), implemented_bits(w));
    s->ha = (tcr & TCR_EL1_HA) != 0;
    s->hd = s->ha && (tcr & TCR_EL1_HD);
    s->hpd = (tcr & (upper ? TCR_EL1_HPD1 : TCR_EL1_HPD0)) != 0;
    s->input_bits = 64 - clamp_tsz(upper ? bits(tcr, 21, 16) : bits(tcr, 5, 0));
    s->grain_bits =
        upper ? granule_of_tg1(w, bits(tcr, 31, 30)) : granule_of_tg0(w, bits(tcr, 15, 14));
    set_start_level(s);
    return !(tcr & (upper ? TCR_EL1_EPD1 : TCR_EL1_EPD0));
}

static void stage1_el23(const walk *w, stage *s)
{
    bool el3 = s->el == 3;
    uint64_t tcr = w->cpu->sys[el3 ? TCR_EL3 : TCR_EL2];

    s->base = w->cpu->sys[el3 ? TTBR0_EL3 : TTBR0_EL2];
    s->mair = w->cpu->sys[el3 ? MAIR_EL3 : MAIR_EL2];
    s->output_bits = min_u32(address_bits(bits(tcr, 18, 16)), implemented_bits(w));
    s->ha = (tcr & TCR_EL23_HA) != 0;
    s->hd = s->ha && (tcr & TCR_EL23_HD);
    s->hpd = (tcr & TCR_EL23_HPD) != 0;
    s->input_bits = 64 - clamp_tsz(bits(tcr, 5, 0));
    s->grain_bits = granule_of_tg0(w, bits(tcr, 15, 14));
    set_start_level(s);
}

/* Whether the address has the sign that its size asks for; a tag is ignored where TBI says so. */
static bool canonical(const walk *w, const stage *s, uint64_t gva)
{
    bool upper = s->el == 1 && bits(gva, 55, 55);
    uint32_t tbi = arm64_tbi(w->cpu, s->el);
    uint32_t top = tbi & (upper ? 2u : 1u) ? 55 : 63;
    uint64_t high = bits(gva, top, s->input_bits);

    if (top == 55 && bits(gva, 63, 56) != (upper ? 0xffu : 0)) {
        /* Before the tables are read: a TLBI that follows a change of them sees it. */
        __atomic_store_n(&w->cpu->tagged, 1, __ATOMIC_SEQ_CST);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
    return high == (upper ? UINT64_MAX >> (63 - (top - s->input_bits)) : 0);
}

/* ---- walking --------------------------------------------------------------------------------- */

static bool stage2_address(const walk *w, uint64_t ipa, bool is_walk, pb_translation *out);

static bool has_stage2(const walk *w)
{
    return arm64_mmu_regime_el(w->request->mmu) == 1 && arm64_el2_enabled(w->cpu) &&
           (w->cpu->sys[HCR_EL2] & (HCR_VM | HCR_DC));
}

/* Read a descriptor. For stage 1 under stage 2 its address is intermediate; *address becomes
 * physical. */
static bool read_descriptor(const walk *w, const stage *s, uint32_t level, bool secure,
                            uint64_t *address, uint64_t *raw)
{
    pb_attrs attrs = { .requester = w->vcpu->index, .secure = secure, .privileged = 1 };

    if (!s->stage2 && has_stage2(w)) {
        pb_translation physical;

        if (!stage2_address(w, *address, true, &physical))
            return false;
        *address = physical.gpa;
    }
    if (w->request->debug)
        attrs.requester = PB_REQUESTER_DEBUG;
    if (w->vcpu->ops->phys_read(w->vcpu, *address, attrs, 8, raw) != PB_BUS_OK)
        return fail(w, FSC_EXTERNAL_WALK, level, s->stage2 ? FAULT_STAGE2 : 0, *address);
    return true;
}

/* Whether a block may stand at a level (D8.3, block descriptors). */
static bool block_allowed(const stage *s, uint32_t level)
{
    return level == 2 || (level == 1 && s->grain_bits == 12);
}

/* Walk the tables of a stage to the leaf of an input address. */
static bool find_leaf(const walk *w, const stage *s, uint64_t input, leaf *out)
{
    uint32_t stride = s->grain_bits - 3, level = s->start_level;
    uint32_t low = (3 - level) * stride + s->grain_bits; /* bits that the level's entries span */
    uint32_t high = s->input_bits;
    uint32_t flags = s->stage2 ? FAULT_STAGE2 : 0;
    uint64_t hierarchical = 0;
    uint64_t table = bits(s->base, 47, 0) & ~((UINT64_C(1) << (high - low + 3)) - 1);
    bool secure = s->secure;

    if (s->output_bits < 48 && bits(s->base, 47, s->output_bits))
        return fail(w, FSC_ADDRESS_SIZE, 0, flags, input);
    for (;;) {
        uint64_t address = table + bits(input, high - 1, low) * 8;
        uint64_t raw, desc;

        if (!read_descriptor(w, s, level, secure, &address, &raw))
            return false;
        desc = s->ee ? __builtin_bswap64(raw) : raw;
        if (!(desc & DESC_VALID) || (!(desc & DESC_TABLE) && !block_allowed(s, level)))
            return fail(w, FSC_TRANSLATION, level, flags, input);
        if (s->output_bits < 48 && bits(desc, 47, s->output_bits))
            return fail(w, FSC_ADDRESS_SIZE, level, flags, input);
        if (level == 3 || !(desc & DESC_TABLE)) {
            *out = (leaf){ .desc = desc,
                           .address = address,
                           .raw = raw,
                           .level = level,
                           .block_bits = low,
                           .secure = secure };
            break;
        }
        hierarchical |= desc;
        secure = secure && !(desc & DESC_NSTABLE);
        table = desc & DESC_ADDRESS & ~((UINT64_C(1) << s->grain_bits) - 1);
        level++;
        high = low;
        low -= stride;
    }
    if (s->stage2 || s->hpd)
        return true;
    if (hierarchical & DESC_APTABLE1)
        out->desc |= DESC_AP2;
    if ((hierarchical & DESC_APTABLE0) && s->el == 1)
        out->desc &= ~DESC_AP1;
    if (hierarchical & DESC_XNTABLE)
        out->desc |= DESC_XN;
    if (hierarchical & DESC_PXNTABLE)
        out->desc |= DESC_PXN;
    if ((hierarchical & DESC_APTABLE1) && s->hd)
        out->desc &= ~DESC_DBM; /* read-only by its tables: never becomes writable */
    return true;
}

/* Allowed accesses of a stage 1 leaf (D8.4): pb_prot. */
static uint32_t stage1_prot(const walk *w, const stage *s, uint64_t desc)
{
    bool user_r = s->el == 1 && (desc & DESC_AP1);
    bool priv_w = !(desc & DESC_AP2);
    bool user_w = user_r && priv_w;
    bool r, write, x;

    if (s->el != 1) {
        r = true;
        write = priv_w;
        x = !(desc & DESC_XN) && !(write && s->wxn);
    } else if (s->privileged) {
        r = !(s->pan && user_r);
        write = priv_w && r;
        /* What EL0 can write is not executable at EL1. */
        x = !(desc & DESC_PXN) && !(priv_w && s->wxn) && !user_w;
    } else {
        r = user_r;
        write = user_w;
        x = !(desc & DESC_XN) && !(user_w && s->wxn);
    }
    return (r ? PB_PROT_READ : 0) | (write ? PB_PROT_WRITE : 0) | (x ? PB_PROT_EXEC : 0);
}

static uint32_t prot_wanted(const pb_walk_request *request)
{
    return request->type == PB_ACCESS_WRITE   ? PB_PROT_WRITE
           : request->type == PB_ACCESS_FETCH ? PB_PROT_EXEC
                                              : PB_PROT_READ;
}

/* Hardware management of the access flag and dirty state (D8.4.6). False if the descriptor was changed by somebody else
 * meanwhile. */
static bool update_descriptor(const walk *w, const stage *s, leaf *l, uint64_t set, uint64_t clear)
{
    uint64_t order_set = s->ee ? __builtin_bswap64(set) : set;
    uint64_t order_clear = s->ee ? __builtin_bswap64(clear) : clear;
    pb_attrs attrs = { .requester = w->vcpu->index, .secure = l->secure, .privileged = 1 };
    uint64_t updated = (l->raw | order_set) & ~order_clear;

    l->desc = (l->desc | set) & ~clear;
    if (updated == l->raw || w->request->debug)
        return true;
    if (!w->vcpu->ops->phys_cas(w->vcpu, l->address, attrs, 8, l->raw, updated))
        return false;
    l->raw = updated;
    return true;
}

typedef enum leaf_result { LEAF_OK, LEAF_FAULT, LEAF_RETRY } leaf_result;

/* Access flag and permissions of a leaf; *prot gets what is allowed. A descriptor whose access is refused is not
 * updated. */
static leaf_result check_leaf(const walk *w, const stage *s, leaf *l, uint32_t wanted,
                              uint32_t flags, uint64_t input, uint32_t *prot,
                              uint32_t (*prot_of)(const walk *, const stage *, uint64_t))
{
    uint64_t set = 0, clear = 0;

    if (!(l->desc & DESC_AF)) {
        if (!s->ha && !w->request->debug) {
            fail(w, FSC_ACCESS_FLAG, l->level, flags, input);
            return LEAF_FAULT;
        }
        set |= s->ha ? DESC_AF : 0;
    }
    *prot = prot_of(w, s, l->desc);
    if (s->hd && (l->desc & DESC_DBM) && wanted == PB_PROT_WRITE && !(*prot & PB_PROT_WRITE)) {
        uint64_t dirty_set = s->stage2 ? DESC_S2AP_W : 0, dirty_clear = s->stage2 ? 0 : DESC_AP2;
        uint32_t dirty_prot = prot_of(w, s, (l->desc | dirty_set) & ~dirty_clear);

        if (dirty_prot & PB_PROT_WRITE) {
            set |= dirty_set;
            clear |= dirty_clear;
            *prot = dirty_prot;
        }
    }
    if (!(*prot & wanted) && !w->request->debug) {
        fail(w, FSC_PERMISSION, l->level, flags, input);
        return LEAF_FAULT;
    }
    if ((set | clear) && !update_descriptor(w, s, l, set, clear))
        return LEAF_RETRY;
    return LEAF_OK;
}

static void fill_mapping(pb_translation *out, const leaf *l, uint64_t input, uint32_t prot)
{
    uint64_t low = (UINT64_C(1) << l->block_bits) - 1;

    out->gpa = (l->desc & DESC_ADDRESS & ~low) | (input & low);
    out->page_bytes = low + 1;
    out->prot = prot;
}

/* ---- stage 2 --------------------------------------------------------------------------------- */

static uint32_t stage2_prot(const walk *w, const stage *s, uint64_t desc)
{
    uint32_t prot = 0;

    if (desc & DESC_S2AP_R)
        prot |= PB_PROT_READ;
    if (desc & DESC_S2AP_W)
        prot |= PB_PROT_WRITE;
    if (!(desc & DESC_XN))
        prot |= PB_PROT_EXEC;
    return prot;
}

/* Whether an attribute byte, as of MAIR_ELx, is of Device memory. */
static bool is_device(uint32_t memory)
{
    return (memory & 0xf0) == 0;
}

/* MemAttr[3:0] of a stage 2 descriptor as a byte of MAIR_ELx; HCR_EL2.CD makes Normal memory non-cacheable. */
static uint8_t stage2_memory(uint32_t attr, uint64_t hcr)
{
    static const uint8_t half[4] = { 0, 4, 0xb,
                                     0xf }; /* reserved, non-cacheable, write-through, write-back */

    if (!(attr & 0xc))
        return (uint8_t)((attr & 3) << 2);
    return hcr & HCR_CD ? 0x44 : (uint8_t)(half[attr >> 2] << 4 | half[attr & 3]);
}

/* Inner or outer cacheability of two stages (S2CombineS1AttrHints): the weaker, with the hints of stage 1. */
static uint32_t combine_half(uint32_t first, uint32_t second)
{
    if (first == 4 || second == 4)
        return 4;
    if (!(first & 4)) /* write-through, transient or not */
        return first;
    return second & 4 ? first : (first & 3) | 8;
}

/* Memory type and shareability under both stages (D8.6 "Combining stage 1 and stage 2 attributes"). */
static void combine_attributes(pb_translation *out, const pb_translation *second)
{
    uint32_t a = out->memory_attr, b = second->memory_attr;

    if (is_device(a) || is_device(b)) { /* the type that allows less */
        uint32_t first = is_device(a) ? a & 0xc : 0xc, other = is_device(b) ? b & 0xc : 0xc;

        out->memory_attr = (uint8_t)min_u32(first, other);
    } else {
        out->memory_attr =
            (uint8_t)(combine_half(a >> 4, b >> 4) << 4 | combine_half(a & 15, b & 15));
    }
    /* Outer (2) before inner (3) before none. */
    if (out->shareability == 2 || second->shareability == 2)
        out->shareability = 2;
    else
        out->shareability |= second->shareability;
    out->device = is_device(out->memory_attr);
}

/* Translate an intermediate physical address (D8.2 "Stage 2"). is_walk: for a descriptor of
 * stage 1. */
static bool stage2_address(const walk *w, uint64_t ipa, bool is_walk, pb_translation *out)
{
    uint64_t vtcr = w->cpu->sys[VTCR_EL2], hcr = w->cpu->sys[HCR_EL2];
    uint32_t sl0 = (uint32_t)bits(vtcr, 7, 6), flags = FAULT_STAGE2 | (is_walk ? FAULT_S1PTW : 0);
    uint32_t wanted = is_walk ? PB_PROT_READ : prot_wanted(w->request);
    uint32_t span, stride, prot;
    stage s = { .el = 1, .stage2 = true, .privileged = true };
    leaf l;

    *out = (pb_translation){ .gpa = ipa,
                             .page_bytes = PB_PAGE_SIZE,
                             .prot = PB_PROT_READ | PB_PROT_WRITE | PB_PROT_EXEC };
    if (!(hcr & HCR_VM)) /* HCR_EL2.DC alone: flat */
        return true;
    s.base = w->cpu->sys[VTTBR_EL2];
    s.ee = (w->cpu->sys[SCTLR_EL2] & SCTLR_EE) != 0;
    s.output_bits = min_u32(address_bits(bits(vtcr, 18, 16)), implemented_bits(w));
    s.ha = has_feature(w->vcpu, FEAT_HAFDBS) && (vtcr & VTCR_HA);
    s.hd = s.ha && (vtcr & VTCR_HD);
    s.grain_bits = granule_of_tg0(w, bits(vtcr, 15, 14));
    s.input_bits = 64 - clamp_tsz(bits(vtcr, 5, 0));
    s.start_level = s.grain_bits == 12 ? 2 - sl0 : 3 - sl0;
    stride = s.grain_bits - 3;
    span = (3 - s.start_level) * stride + s.grain_bits;
    /* At most 16 concatenated tables at the first level; SL0 of 3 is reserved. */
    if (sl0 == 3 || s.input_bits <= span || s.input_bits > span + stride + 4 ||
        (s.input_bits < 64 && ipa >> s.input_bits))
        return fail(w, FSC_TRANSLATION, 0, flags, ipa);

    for (;;) {
        leaf_result result;

        if (!find_leaf(w, &s, ipa, &l)) {
            w->fault->info[0] |= flags;
            w->fault->info[1] = ipa;
            return false;
        }
        result = check_leaf(w, &s, &l, wanted, flags, ipa, &prot, stage2_prot);
        if (result == LEAF_FAULT)
            return false;
        if (result == LEAF_OK)
            break;
    }
    fill_mapping(out, &l, ipa, prot);
    out->memory_attr = stage2_memory((uint32_t)bits(l.desc, 5, 2), hcr);
    out->shareability = (uint8_t)bits(l.desc, 9, 8);
    out->device = is_device(out->memory_attr);
    /* A stage 1 table in Device memory is refused if PTW is set. */
    if (is_walk && out->device && (hcr & HCR_PTW))
        return fail(w, FSC_PERMISSION, l.level, flags, ipa);
    return true;
}

/* Add stage 2 to a result of stage 1. */
static bool add_stage2(const walk *w, pb_translation *out)
{
    pb_translation second;

    if (!has_stage2(w))
        return true;
    if (!stage2_address(w, out->gpa, false, &second))
        return false;
    out->gpa = second.gpa;
    out->prot &= second.prot;
    if (w->cpu->sys[HCR_EL2] & HCR_VM)
        combine_attributes(out, &second);
    if (second.page_bytes < out->page_bytes)
        out->page_bytes = second.page_bytes;
    return true;
}

/* ---- stage 1 --------------------------------------------------------------------------------- */

/* Stage 1 is off: a flat map of Device memory for data (D8.2.10); of Normal memory that is not
 * shareable under HCR_EL2.DC. */
static bool flat(const walk *w, const stage *s, pb_translation *out)
{
    uint64_t gva = w->request->gva;
    uint32_t tbi = arm64_tbi(w->cpu, s->el);
    uint32_t top = tbi & (s->el == 1 && bits(gva, 55, 55) ? 2u : 1u) ? 55 : 63;
    bool cached = s->el == 1 && arm64_el2_enabled(w->cpu) && (w->cpu->sys[HCR_EL2] & HCR_DC);

    if (bits(gva, top, implemented_bits(w)))
        return fail(w, FSC_ADDRESS_SIZE, 0, 0, gva);
    out->gpa = top == 55 ? bits(gva, 55, 0) : gva;
    out->page_bytes = PB_PAGE_SIZE;
    out->prot = PB_PROT_READ | PB_PROT_WRITE | PB_PROT_EXEC;
    out->device = !cached && w->request->type != PB_ACCESS_FETCH;
    out->memory_attr = cached ? 0xff : 0;
    out->shareability = cached ? 0 : 2;
    /* The same entry serves data and fetches; the core asks `device` of data accesses only. */
    if (w->request->type == PB_ACCESS_FETCH && !cached)
        out->prot = PB_PROT_EXEC;
    return true;
}

static bool stage1_enabled(const walk *w, const stage *s)
{
    uint64_t hcr = arm64_el2_enabled(w->cpu) ? w->cpu->sys[HCR_EL2] : 0;

    if (s->el == 1 && (hcr & (HCR_DC | HCR_TGE)))
        return false;
    return (arm64_sctlr(w->cpu, s->el) & SCTLR_M) != 0;
}

bool arm64_walk_stage1(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                       pb_guest_fault *fault)
{
    walk w = { vcpu, cpu_of(vcpu), request, fault };
    uint32_t el = arm64_mmu_regime_el(request->mmu);
    uint64_t sctlr = arm64_sctlr(w.cpu, el);
    stage s = { .el = el,
                .privileged = request->mmu != MMU_E10_0,
                .pan = request->mmu == MMU_E10_1_PAN,
                .secure = arm64_is_secure(w.cpu, el),
                .ee = (sctlr & SCTLR_EE) != 0,
                .wxn = (sctlr & SCTLR_WXN) != 0 };
    uint32_t wanted = prot_wanted(request), prot;
    bool tables = true;
    leaf l;

    *out = (pb_translation){ .attrs = { .secure = s.secure,
                                        .privileged = s.privileged,
                                        .instruction = request->type == PB_ACCESS_FETCH } };
    if (!stage1_enabled(&w, &s))
        return flat(&w, &s, out);
    if (el == 1)
        tables = stage1_el1(&w, &s, request->gva);
    else
        stage1_el23(&w, &s);
    if (!canonical(&w, &s, request->gva) || !tables)
        return fail(&w, FSC_TRANSLATION, 0, 0, 0);

    for (;;) {
        leaf_result result;

        if (!find_leaf(&w, &s, request->gva, &l))
            return false;
        result = check_leaf(&w, &s, &l, wanted, 0, 0, &prot, stage1_prot);
        if (result == LEAF_FAULT)
            return false;
        if (result == LEAF_OK)
            break;
    }
    fill_mapping(out, &l, request->gva, prot);
    out->attrs.secure = l.secure && !(l.desc & DESC_NS);
    if (request->type == PB_ACCESS_FETCH && s.secure && !out->attrs.secure &&
        (w.cpu->sys[SCR_EL3] & SCR_SIF) && !request->debug)
        return fail(&w, FSC_PERMISSION, l.level, 0, 0);
    out->global = el != 1 || !(l.desc & DESC_NG);
    out->memory_attr = (uint8_t)(s.mair >> (bits(l.desc, 4, 2) * 8));
    out->shareability = (uint8_t)bits(l.desc, 9, 8);
    out->device = is_device(out->memory_attr);
    return true;
}

/* A page with watchpoints is never cached for data, so that each access comes by here. */
static bool add_watchpoints(const walk *w, pb_translation *out)
{
    const pb_walk_request *request = w->request;
    pb_guest_fault hit = { .type = request->type };

    if (request->debug || !arm64_page_watched(w->vcpu, request->gva))
        return true;
    if (request->type == PB_ACCESS_FETCH) {
        out->prot &= PB_PROT_EXEC;
        return true;
    }
    if (arm64_access_watched(w->vcpu, request, &hit)) {
        fail(w, FSC_DEBUG, 0, 0, 0);
        w->fault->gva = hit.gva;
        w->fault->type = hit.type;
        return false;
    }
    if (out->page_bytes >= PB_PAGE_SIZE)
        out->page_bytes = PB_PAGE_SIZE / 2;
    return true;
}

bool arm64_walk(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                pb_guest_fault *fault)
{
    walk w = { vcpu, cpu_of(vcpu), request, fault };

    if (w.cpu->user)
        return arm64_user_walk(vcpu, request, out, fault);
    return arm64_walk_stage1(vcpu, request, out, fault) && add_stage2(&w, out) &&
           add_watchpoints(&w, out);
}
