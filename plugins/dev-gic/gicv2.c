/*
 * Arm Generic Interrupt Controller, architecture version 2, without the Security and Virtualization
 * Extensions. Arm IHI 0048B.b.
 *
 * Ports: spi[n] (INTID 32 + n), ppi[cpu * 32 + INTID], irq[cpu], fiq[cpu].
 * Five priority bits are implemented (32 levels), as in the GIC-400.
 *
 * Rules of the model:
 *  1. A level-sensitive interrupt is pending while its input is high or a write latched it pending
 *     (4.3.7: what software latched is cleared by acknowledge or ICPENDR, the input is not).
 *  2. An active interrupt is not signalled again until it is deactivated, though it may be pending.
 *  3. Whatever changes state ends in update(), which recomputes every output from the state: no
 *     output is remembered anywhere else.
 */
#include "gic.h"

#define CPUS 8

#define MIN_BPR 2u /* GICC_BPR for five priority bits (3.3.3) */

enum {
    CTLR_ENABLE_GRP0 = 1,
    CTLR_ENABLE_GRP1 = 2,
    CTLR_ACK_CTL = 4,
    CTLR_FIQ_EN = 8,
    CTLR_CBPR = 16,
    CTLR_EOI_MODE = 1 << 9
};

typedef struct cpu_interface {
    uint32_t ctlr, pmr, bpr, abpr;
    uint32_t apr[2]; /* active priorities of group 0 and group 1: bit n is priority n << 3 */
} cpu_interface;

typedef struct gicv2 {
    pb_object *self;
    uint32_t cpus, spis;
    uint32_t ctlr;
    int_bits group, enabled, latched, active, level, edge;
    uint8_t sgi_sources[CPUS][16]; /* processors that have this SGI pending for the first index */
    uint8_t priority_banked[CPUS][32];
    uint8_t priority[GIC_IDS], targets[GIC_IDS];
    cpu_interface cpu[CPUS];
    pb_line *irq[CPUS], *fiq[CPUS];
} gicv2;

static uint8_t *priority_of(gicv2 *s, uint32_t cpu, uint32_t id)
{
    return id < 32 ? &s->priority_banked[cpu][id] : &s->priority[id];
}

/* The processor that makes an access; debuggers see processor 0's banks. */
static uint32_t requester(const gicv2 *s, const pb_access *a)
{
    return a->attrs.requester < s->cpus ? a->attrs.requester : 0;
}

static uint32_t n_ids(const gicv2 *s)
{
    return 32 + s->spis;
}
static uint32_t n_words(const gicv2 *s)
{
    return (n_ids(s) + 31) / 32;
}
static uint32_t valid_mask(const gicv2 *s, uint32_t n)
{
    return gic_valid_mask(n_ids(s), n);
}

static uint32_t pending_word(gicv2 *s, uint32_t cpu, uint32_t n)
{
    return *word(&s->latched, cpu, n) | (*word(&s->level, cpu, n) & ~*word(&s->edge, cpu, n));
}

static bool targets_cpu(const gicv2 *s, uint32_t cpu, uint32_t id)
{
    /* With one processor GICD_ITARGETSR is RAZ/WI and everything goes to it (4.3.12). */
    return id < 32 || s->cpus == 1 || (s->targets[id] >> cpu & 1);
}

/* The pending, enabled, inactive interrupt of highest priority for a processor; lowest INTID first
 * among equals. GIC_SPURIOUS if there is none. */
static uint32_t highest_pending(gicv2 *s, uint32_t cpu)
{
    uint32_t best = GIC_SPURIOUS, best_priority = 256;

    for (uint32_t n = 0; n < n_words(s); n++) {
        uint32_t group1 = *word(&s->group, cpu, n);
        uint32_t bits = pending_word(s, cpu, n) & *word(&s->enabled, cpu, n) &
                        ~*word(&s->active, cpu, n) & valid_mask(s, n);

        bits &=
            (s->ctlr & CTLR_ENABLE_GRP1 ? group1 : 0) | (s->ctlr & CTLR_ENABLE_GRP0 ? ~group1 : 0);
        while (bits) {
            uint32_t id = n * 32 + (uint32_t)__builtin_ctz(bits);
            uint32_t priority = *priority_of(s, cpu, id);

            bits &= bits - 1;
            if (priority < best_priority && targets_cpu(s, cpu, id)) {
                best = id;
                best_priority = priority;
            }
        }
    }
    return best;
}

/* Bits of a priority that decide preemption (3.3.3). GICC_ABPR, like a Non-secure GICC_BPR, counts from
 * one bit higher. */
static uint32_t group_mask(const cpu_interface *c, bool group1)
{
    uint32_t bpr = group1 && !(c->ctlr & CTLR_CBPR) ? c->abpr - 1 : c->bpr;

    return ~((2u << bpr) - 1) & 0xff;
}

static uint32_t running_priority(const cpu_interface *c)
{
    return gic_running_priority(c->apr[0] | c->apr[1]);
}

/* The interrupt that the CPU interface signals now, if its priority suffices; else GIC_SPURIOUS. */
static uint32_t signalled(gicv2 *s, uint32_t cpu)
{
    cpu_interface *c = &s->cpu[cpu];
    uint32_t id = highest_pending(s, cpu);
    uint32_t priority;
    bool group1;

    if (id == GIC_SPURIOUS)
        return id;
    group1 = test_bit(&s->group, cpu, id);
    priority = *priority_of(s, cpu, id);
    if (!(c->ctlr & (group1 ? CTLR_ENABLE_GRP1 : CTLR_ENABLE_GRP0)) || priority >= c->pmr)
        return GIC_SPURIOUS;
    if ((priority & group_mask(c, group1)) >= running_priority(c))
        return GIC_SPURIOUS;
    return id;
}

static void update(gicv2 *s)
{
    for (uint32_t cpu = 0; cpu < s->cpus; cpu++) {
        uint32_t id = signalled(s, cpu);
        bool fiq =
            id != GIC_SPURIOUS && !test_bit(&s->group, cpu, id) && (s->cpu[cpu].ctlr & CTLR_FIQ_EN);

        pb_line_set(s->irq[cpu], id != GIC_SPURIOUS && !fiq);
        pb_line_set(s->fiq[cpu], fiq);
    }
}

/* ---- inputs ------------------------------------------------------------------------------------------ */

static void input_changed(gicv2 *s, uint32_t cpu, uint32_t id, bool level)
{
    if (level && !test_bit(&s->level, cpu, id) && test_bit(&s->edge, cpu, id))
        put_bit(&s->latched, cpu, id, true);
    put_bit(&s->level, cpu, id, level);
    update(s);
}

static void spi_set(void *self, uint32_t index, bool level)
{
    gicv2 *s = self;

    if (index < s->spis)
        input_changed(s, 0, 32 + index, level);
}

static void ppi_set(void *self, uint32_t index, bool level)
{
    gicv2 *s = self;

    if (index / 32 < s->cpus && index % 32 >= 16)
        input_changed(s, index / 32, index % 32, level);
}

/* ---- distributor --------------------------------------------------------------------------------------- */

static void ctlr_write(void *self, uint64_t old, uint64_t now)
{
    update(self);
}

static uint64_t typer_read(void *self)
{
    gicv2 *s = self;

    return (n_words(s) - 1) | (s->cpus - 1) << 5;
}

static uint64_t group_read(void *self, const pb_access *a)
{
    gicv2 *s = self;

    return *word(&s->group, requester(s, a), a->index);
}

static void group_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    gicv2 *s = self;

    *word(&s->group, requester(s, a), a->index) = (uint32_t)now & valid_mask(s, a->index);
    update(s);
}

static uint64_t enabled_read(void *self, const pb_access *a)
{
    gicv2 *s = self;

    return *word(&s->enabled, requester(s, a), a->index);
}

static void isenabler_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    gicv2 *s = self;

    *word(&s->enabled, requester(s, a), a->index) |= (uint32_t)now & valid_mask(s, a->index);
    update(s);
}

static void icenabler_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    gicv2 *s = self;
    uint32_t bits = (uint32_t)now;

    if (a->index == 0)
        bits &= ~0xffffu; /* SGIs are always enabled */
    *word(&s->enabled, requester(s, a), a->index) &= ~bits;
    update(s);
}

static uint64_t pending_read(void *self, const pb_access *a)
{
    gicv2 *s = self;

    return pending_word(s, requester(s, a), a->index);
}

/* SGI bits of ISPENDR and ICPENDR are read-only (4.3.7): those have SPENDSGIR and CPENDSGIR. */
static uint32_t writable_pending(const gicv2 *s, const pb_access *a, uint64_t now)
{
    return (uint32_t)now & valid_mask(s, a->index) & (a->index == 0 ? ~0xffffu : UINT32_MAX);
}

static void ispendr_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    gicv2 *s = self;

    *word(&s->latched, requester(s, a), a->index) |= writable_pending(s, a, now);
    update(s);
}

static void icpendr_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    gicv2 *s = self;

    *word(&s->latched, requester(s, a), a->index) &= ~writable_pending(s, a, now);
    update(s);
}

static uint64_t active_read(void *self, const pb_access *a)
{
    gicv2 *s = self;

    return *word(&s->active, requester(s, a), a->index);
}

static void isactiver_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    gicv2 *s = self;

    *word(&s->active, requester(s, a), a->index) |= (uint32_t)now & valid_mask(s, a->index);
    update(s);
}

static void icactiver_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    gicv2 *s = self;

    *word(&s->active, requester(s, a), a->index) &= ~(uint32_t)now;
    update(s);
}

static uint64_t ipriorityr_read(void *self, const pb_access *a)
{
    gicv2 *s = self;
    uint32_t value = 0;

    for (uint32_t i = 0; i < 4 && a->index * 4 + i < n_ids(s); i++)
        value |= (uint32_t)*priority_of(s, requester(s, a), a->index * 4 + i) << (8 * i);
    return value;
}

static void ipriorityr_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    gicv2 *s = self;

    for (uint32_t i = 0; i < 4 && a->index * 4 + i < n_ids(s); i++)
        *priority_of(s, requester(s, a), a->index * 4 + i) = now >> (8 * i) & GIC_PRIORITY_MASK;
    update(s);
}

static uint64_t itargetsr_read(void *self, const pb_access *a)
{
    gicv2 *s = self;
    uint32_t value = 0;

    if (s->cpus == 1)
        return 0;
    if (a->index < 8)
        return 0x01010101u << requester(s, a); /* banked: the reader itself (4.3.12) */
    for (uint32_t i = 0; i < 4 && a->index * 4 + i < n_ids(s); i++)
        value |= (uint32_t)s->targets[a->index * 4 + i] << (8 * i);
    return value;
}

static void itargetsr_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    gicv2 *s = self;

    if (s->cpus == 1 || a->index < 8)
        return;
    for (uint32_t i = 0; i < 4 && a->index * 4 + i < n_ids(s); i++)
        s->targets[a->index * 4 + i] = now >> (8 * i) & ((1u << s->cpus) - 1);
    update(s);
}

/* Two bits an interrupt; the upper one says edge-triggered. SGIs are edge-triggered, PPIs of this
 * implementation level-sensitive: both are read-only (4.3.13). */
static uint64_t icfgr_read(void *self, const pb_access *a)
{
    gicv2 *s = self;
    uint32_t half = *word(&s->edge, requester(s, a), a->index / 2) >> (a->index % 2 * 16);
    uint32_t value = 0;

    for (uint32_t i = 0; i < 16; i++)
        value |= (half >> i & 1) << (2 * i + 1);
    return value;
}

static void icfgr_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    gicv2 *s = self;

    if (a->index < 2)
        return;
    for (uint32_t i = 0; i < 16 && a->index * 16 + i < n_ids(s); i++)
        put_bit(&s->edge, 0, a->index * 16 + i, now >> (2 * i + 1) & 1);
    update(s);
}

static uint64_t ppisr_read(void *self, const pb_access *a)
{
    gicv2 *s = self;

    return s->level.banked[requester(s, a)] >> 16;
}

static uint64_t spisr_read(void *self, const pb_access *a)
{
    return ((gicv2 *)self)->level.shared[a->index + 1];
}

static void sgi_set_sources(gicv2 *s, uint32_t cpu, uint32_t id, uint8_t sources)
{
    s->sgi_sources[cpu][id] = sources;
    put_bit(&s->latched, cpu, id, sources != 0);
}

static void sgir_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    gicv2 *s = self;
    uint32_t from = requester(s, a), id = now & 15;
    uint32_t list = now >> 16 & 0xff;

    switch (now >> 24 & 3) {
    case 1:
        list = 0xffu & ~(1u << from);
        break;
    case 2:
        list = 1u << from;
        break;
    case 3:
        pb_log_guest(s->self, "GICD_SGIR: reserved target list filter 3");
        return;
    }
    for (uint32_t cpu = 0; cpu < s->cpus; cpu++)
        if (list >> cpu & 1)
            sgi_set_sources(s, cpu, id, s->sgi_sources[cpu][id] | (uint8_t)(1u << from));
    update(s);
}

static uint64_t pendsgir_read(void *self, const pb_access *a)
{
    gicv2 *s = self;
    const uint8_t *sources = &s->sgi_sources[requester(s, a)][a->index * 4];

    return (uint32_t)sources[0] | (uint32_t)sources[1] << 8 | (uint32_t)sources[2] << 16 |
           (uint32_t)sources[3] << 24;
}

static void spendsgir_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    gicv2 *s = self;
    uint32_t cpu = requester(s, a), all = (1u << s->cpus) - 1;

    for (uint32_t i = 0; i < 4; i++) {
        uint32_t id = a->index * 4 + i;

        sgi_set_sources(s, cpu, id, s->sgi_sources[cpu][id] | (now >> (8 * i) & all));
    }
    update(s);
}

static void cpendsgir_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    gicv2 *s = self;
    uint32_t cpu = requester(s, a);

    for (uint32_t i = 0; i < 4; i++) {
        uint32_t id = a->index * 4 + i;

        sgi_set_sources(s, cpu, id, s->sgi_sources[cpu][id] & (uint8_t) ~(now >> (8 * i)));
    }
    update(s);
}

static const pb_field gicd_ctlr_fields[] = {
    { "EnableGrp0", 0, 1, .doc = "Forward group 0 interrupts" },
    { "EnableGrp1", 1, 1, .doc = "Forward group 1 interrupts" },
    { 0 },
};

static const pb_field typer_fields[] = {
    { "ITLinesNumber", 0, 5, .doc = "Words of 32 interrupts, minus one" },
    { "CPUNumber", 5, 3, .doc = "Processors, minus one" },
    { "SecurityExtn", 10, 1, .doc = "0: no Security Extensions" },
    { "LSPI", 11, 5, .doc = "Lockable SPIs: none" },
    { 0 },
};

/* Interrupt 1020 and up do not exist, so the last words and bytes are short. */
static const pb_reg gicd_regs[] = {
    { "GICD_CTLR", 0x000, 32, PB_STORE(gicv2, ctlr), .write_mask = 3, .write = ctlr_write,
      .fields = gicd_ctlr_fields, .doc = "Distributor Control Register" },
    { "GICD_TYPER", 0x004, 32, .mode = PB_RO, .read = typer_read, .fields = typer_fields,
      .doc = "Interrupt Controller Type Register" },
    { "GICD_IIDR", 0x008, 32, .mode = PB_RO, .reset = 0x0200143b,
      .doc = "Distributor Implementer Identification Register: Arm, GIC-400" },
    { "GICD_IGROUPR", 0x080, 32, .count = 32, .read_at = group_read, .write_at = group_write,
      .doc = "Interrupt Group Registers" },
    { "GICD_ISENABLER", 0x100, 32, .count = 32, .read_at = enabled_read,
      .write_at = isenabler_write, .raw_write = true, .reset = 0xffff,
      .doc = "Interrupt Set-Enable Registers" },
    { "GICD_ICENABLER", 0x180, 32, .count = 32, .read_at = enabled_read,
      .write_at = icenabler_write, .raw_write = true, .doc = "Interrupt Clear-Enable Registers" },
    { "GICD_ISPENDR", 0x200, 32, .count = 32, .read_at = pending_read, .write_at = ispendr_write,
      .raw_write = true, .doc = "Interrupt Set-Pending Registers" },
    { "GICD_ICPENDR", 0x280, 32, .count = 32, .read_at = pending_read, .write_at = icpendr_write,
      .raw_write = true, .doc = "Interrupt Clear-Pending Registers" },
    { "GICD_ISACTIVER", 0x300, 32, .count = 32, .read_at = active_read, .write_at = isactiver_write,
      .raw_write = true, .doc = "Interrupt Set-Active Registers" },
    { "GICD_ICACTIVER", 0x380, 32, .count = 32, .read_at = active_read, .write_at = icactiver_write,
      .raw_write = true, .doc = "Interrupt Clear-Active Registers" },
    { "GICD_IPRIORITYR", 0x400, 32, .count = 255, .read_at = ipriorityr_read,
      .write_at = ipriorityr_write, .doc = "Interrupt Priority Registers" },
    { "GICD_ITARGETSR", 0x800, 32, .count = 255, .read_at = itargetsr_read,
      .write_at = itargetsr_write, .doc = "Interrupt Processor Targets Registers" },
    { "GICD_ICFGR", 0xc00, 32, .count = 64, .read_at = icfgr_read, .write_at = icfgr_write,
      .doc = "Interrupt Configuration Registers" },
    { "GICD_PPISR", 0xd00, 32, .mode = PB_RO, .read_at = ppisr_read,
      .doc = "Private Peripheral Interrupt Status Register (GIC-400)" },
    { "GICD_SPISR", 0xd04, 32, .count = 31, .mode = PB_RO, .read_at = spisr_read,
      .doc = "Shared Peripheral Interrupt Status Registers (GIC-400)" },
    { "GICD_NSACR", 0xe00, 32, .count = 64, .mode = PB_RAZ_WI,
      .doc = "Non-secure Access Control Registers: Security Extensions only" },
    { "GICD_SGIR", 0xf00, 32, .mode = PB_WO, .write_at = sgir_write, .raw_write = true,
      .doc = "Software Generated Interrupt Register" },
    { "GICD_CPENDSGIR", 0xf10, 32, .count = 4, .read_at = pendsgir_read,
      .write_at = cpendsgir_write, .raw_write = true, .doc = "SGI Clear-Pending Registers" },
    { "GICD_SPENDSGIR", 0xf20, 32, .count = 4, .read_at = pendsgir_read,
      .write_at = spendsgir_write, .raw_write = true, .doc = "SGI Set-Pending Registers" },
    { "GICD_PIDR4", 0xfd0, 32, .mode = PB_RO, .reset = 0x04, .doc = "Peripheral ID4 Register" },
    { "GICD_PIDR5", 0xfd4, 32, .mode = PB_RO, .doc = "Peripheral ID5 Register" },
    { "GICD_PIDR6", 0xfd8, 32, .mode = PB_RO, .doc = "Peripheral ID6 Register" },
    { "GICD_PIDR7", 0xfdc, 32, .mode = PB_RO, .doc = "Peripheral ID7 Register" },
    { "GICD_PIDR0", 0xfe0, 32, .mode = PB_RO, .reset = 0x90, .doc = "Peripheral ID0 Register" },
    { "GICD_PIDR1", 0xfe4, 32, .mode = PB_RO, .reset = 0xb4, .doc = "Peripheral ID1 Register" },
    { "GICD_PIDR2", 0xfe8, 32, .mode = PB_RO, .reset = 0x2b,
      .doc = "Peripheral ID2 Register: architecture version 2" },
    { "GICD_PIDR3", 0xfec, 32, .mode = PB_RO, .doc = "Peripheral ID3 Register" },
    { "GICD_CIDR0", 0xff0, 32, .mode = PB_RO, .reset = 0x0d, .doc = "Component ID0 Register" },
    { "GICD_CIDR1", 0xff4, 32, .mode = PB_RO, .reset = 0xf0, .doc = "Component ID1 Register" },
    { "GICD_CIDR2", 0xff8, 32, .mode = PB_RO, .reset = 0x05, .doc = "Component ID2 Register" },
    { "GICD_CIDR3", 0xffc, 32, .mode = PB_RO, .reset = 0xb1, .doc = "Component ID3 Register" },
    { 0 },
};

/* ---- CPU interface --------------------------------------------------------------------------------------- */

static cpu_interface *interface_of(gicv2 *s, const pb_access *a)
{
    return &s->cpu[requester(s, a)];
}

static uint64_t gicc_ctlr_read(void *self, const pb_access *a)
{
    return interface_of(self, a)->ctlr;
}
static void gicc_ctlr_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    interface_of(self, a)->ctlr = (uint32_t)now;
    update(self);
}

static uint64_t pmr_read(void *self, const pb_access *a)
{
    return interface_of(self, a)->pmr;
}
static void pmr_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    interface_of(self, a)->pmr = (uint32_t)now;
    update(self);
}

/* Values below the minimum give the minimum (4.4.3). */
static uint64_t bpr_read(void *self, const pb_access *a)
{
    return interface_of(self, a)->bpr;
}
static void bpr_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    interface_of(self, a)->bpr = now < MIN_BPR ? MIN_BPR : (uint32_t)now;
    update(self);
}

static uint64_t abpr_read(void *self, const pb_access *a)
{
    return interface_of(self, a)->abpr;
}
static void abpr_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    interface_of(self, a)->abpr = now < MIN_BPR + 1 ? MIN_BPR + 1 : (uint32_t)now;
    update(self);
}

/* Acknowledge: the interrupt becomes active, its latch is cleared, its priority becomes the running one. */
static uint32_t acknowledge(gicv2 *s, uint32_t cpu, uint32_t id)
{
    cpu_interface *c = &s->cpu[cpu];
    bool group1 = test_bit(&s->group, cpu, id);
    uint32_t priority = *priority_of(s, cpu, id) & group_mask(c, group1);
    uint32_t source = 0;

    if (id < 16) {
        source = (uint32_t)__builtin_ctz(s->sgi_sources[cpu][id]);
        sgi_set_sources(s, cpu, id, s->sgi_sources[cpu][id] & (uint8_t) ~(1u << source));
    } else {
        put_bit(&s->latched, cpu, id, false);
    }
    put_bit(&s->active, cpu, id, true);
    c->apr[group1] |= 1u << (priority >> 3);
    update(s);
    return id | source << 10;
}

/* Without the Security Extensions GICC_IAR acknowledges group 1 only with AckCtl, else it reads 1022 (4.4.4). */
static uint64_t iar_read(void *self, const pb_access *a)
{
    gicv2 *s = self;
    uint32_t cpu = requester(s, a), id = signalled(s, cpu);

    if (id == GIC_SPURIOUS || a->attrs.requester == PB_REQUESTER_DEBUG)
        return id;
    if (test_bit(&s->group, cpu, id) && !(s->cpu[cpu].ctlr & CTLR_ACK_CTL))
        return GIC_SPURIOUS_GROUP1;
    return acknowledge(s, cpu, id);
}

static uint64_t aiar_read(void *self, const pb_access *a)
{
    gicv2 *s = self;
    uint32_t cpu = requester(s, a), id = signalled(s, cpu);

    if (id == GIC_SPURIOUS || !test_bit(&s->group, cpu, id))
        return GIC_SPURIOUS;
    return a->attrs.requester == PB_REQUESTER_DEBUG ? id : acknowledge(s, cpu, id);
}

/* The priority drops in any case, also when somebody cleared the active bit before: the interface does not look
 * at the distributor for it. */
static void end_of_interrupt(gicv2 *s, uint32_t cpu, uint32_t id, bool group1)
{
    cpu_interface *c = &s->cpu[cpu];

    if (id >= n_ids(s)) {
        if (id < GIC_SPURIOUS_GROUP1)
            pb_log_guest(s->self, "end of interrupt %u, which does not exist", id);
        return;
    }
    if (!test_bit(&s->active, cpu, id))
        pb_log_guest(s->self, "end of interrupt %u, which is not active", id);
    c->apr[group1] &= c->apr[group1] - 1; /* the highest priority is the lowest bit */
    if (!(c->ctlr & CTLR_EOI_MODE))
        put_bit(&s->active, cpu, id, false);
    update(s);
}

static void eoir_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    gicv2 *s = self;
    uint32_t cpu = requester(s, a), id = now & 0x3ff;

    end_of_interrupt(s, cpu, id, id < n_ids(s) && test_bit(&s->group, cpu, id));
}

static void aeoir_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    gicv2 *s = self;

    end_of_interrupt(s, requester(s, a), now & 0x3ff, true);
}

static void dir_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    gicv2 *s = self;
    uint32_t cpu = requester(s, a), id = now & 0x3ff;

    if (!(s->cpu[cpu].ctlr & CTLR_EOI_MODE)) {
        pb_log_guest(s->self, "GICC_DIR written while EOImode is 0");
        return;
    }
    if (id < n_ids(s)) {
        put_bit(&s->active, cpu, id, false);
        update(s);
    }
}

static uint64_t rpr_read(void *self, const pb_access *a)
{
    return running_priority(interface_of(self, a));
}

static uint64_t hppir_read(void *self, const pb_access *a)
{
    gicv2 *s = self;
    uint32_t cpu = requester(s, a), id = highest_pending(s, cpu);

    if (id != GIC_SPURIOUS && test_bit(&s->group, cpu, id) && !(s->cpu[cpu].ctlr & CTLR_ACK_CTL))
        return GIC_SPURIOUS_GROUP1;
    if (id < 16)
        id |= (uint32_t)__builtin_ctz(s->sgi_sources[cpu][id]) << 10;
    return id;
}

static uint64_t ahppir_read(void *self, const pb_access *a)
{
    gicv2 *s = self;
    uint32_t cpu = requester(s, a), id = highest_pending(s, cpu);

    if (id == GIC_SPURIOUS || !test_bit(&s->group, cpu, id))
        return GIC_SPURIOUS;
    return id < 16 ? id | (uint32_t)__builtin_ctz(s->sgi_sources[cpu][id]) << 10 : id;
}

static uint64_t apr_read(void *self, const pb_access *a)
{
    return interface_of(self, a)->apr[0];
}
static void apr_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    interface_of(self, a)->apr[0] = (uint32_t)now;
    update(self);
}

static uint64_t nsapr_read(void *self, const pb_access *a)
{
    return interface_of(self, a)->apr[1];
}
static void nsapr_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    interface_of(self, a)->apr[1] = (uint32_t)now;
    update(self);
}

static const pb_field gicc_ctlr_fields[] = {
    { "EnableGrp0", 0, 1, .doc = "Signal group 0 interrupts" },
    { "EnableGrp1", 1, 1, .doc = "Signal group 1 interrupts" },
    { "AckCtl", 2, 1, .doc = "GICC_IAR acknowledges group 1 too" },
    { "FIQEn", 3, 1, .doc = "Group 0 is signalled as FIQ" },
    { "CBPR", 4, 1, .doc = "GICC_BPR controls both groups" },
    { "FIQBypDisGrp0", 5, 1, .status = PB_UNMODELLED, .doc = "No bypass inputs" },
    { "IRQBypDisGrp0", 6, 1, .status = PB_UNMODELLED, .doc = "No bypass inputs" },
    { "FIQBypDisGrp1", 7, 1, .status = PB_UNMODELLED, .doc = "No bypass inputs" },
    { "IRQBypDisGrp1", 8, 1, .status = PB_UNMODELLED, .doc = "No bypass inputs" },
    { "EOImode", 9, 1, .doc = "GICC_EOIR drops priority only, GICC_DIR deactivates" },
    { 0 },
};

static const pb_reg gicc_regs[] = {
    { "GICC_CTLR", 0x000, 32, .write_mask = 0x3ff, .read_at = gicc_ctlr_read,
      .write_at = gicc_ctlr_write, .fields = gicc_ctlr_fields,
      .doc = "CPU Interface Control Register" },
    { "GICC_PMR", 0x004, 32, .write_mask = GIC_PRIORITY_MASK, .read_at = pmr_read,
      .write_at = pmr_write, .doc = "Interrupt Priority Mask Register" },
    { "GICC_BPR", 0x008, 32, .write_mask = 7, .reset = MIN_BPR, .read_at = bpr_read,
      .write_at = bpr_write, .doc = "Binary Point Register" },
    { "GICC_IAR", 0x00c, 32, .mode = PB_RO, .read_at = iar_read, .reset = GIC_SPURIOUS,
      .doc = "Interrupt Acknowledge Register" },
    { "GICC_EOIR", 0x010, 32, .mode = PB_WO, .write_at = eoir_write, .raw_write = true,
      .doc = "End of Interrupt Register" },
    { "GICC_RPR", 0x014, 32, .mode = PB_RO, .read_at = rpr_read, .reset = GIC_IDLE_PRIORITY,
      .doc = "Running Priority Register" },
    { "GICC_HPPIR", 0x018, 32, .mode = PB_RO, .read_at = hppir_read, .reset = GIC_SPURIOUS,
      .doc = "Highest Priority Pending Interrupt Register" },
    { "GICC_ABPR", 0x01c, 32, .write_mask = 7, .reset = MIN_BPR + 1, .read_at = abpr_read,
      .write_at = abpr_write, .doc = "Aliased Binary Point Register" },
    { "GICC_AIAR", 0x020, 32, .mode = PB_RO, .read_at = aiar_read, .reset = GIC_SPURIOUS,
      .doc = "Aliased Interrupt Acknowledge Register" },
    { "GICC_AEOIR", 0x024, 32, .mode = PB_WO, .write_at = aeoir_write, .raw_write = true,
      .doc = "Aliased End of Interrupt Register" },
    { "GICC_AHPPIR", 0x028, 32, .mode = PB_RO, .read_at = ahppir_read, .reset = GIC_SPURIOUS,
      .doc = "Aliased Highest Priority Pending Interrupt Register" },
    { "GICC_APR0", 0x0d0, 32, .read_at = apr_read, .write_at = apr_write,
      .doc = "Active Priorities Register of group 0" },
    { "GICC_APR", 0x0d4, 32, .count = 3, .mode = PB_RAZ_WI,
      .doc = "APR1 to APR3: not needed for five priority bits" },
    { "GICC_NSAPR0", 0x0e0, 32, .read_at = nsapr_read, .write_at = nsapr_write,
      .doc = "Active Priorities Register of group 1" },
    { "GICC_NSAPR", 0x0e4, 32, .count = 3, .mode = PB_RAZ_WI, .doc = "NSAPR1 to NSAPR3" },
    { "GICC_IIDR", 0x0fc, 32, .mode = PB_RO, .reset = 0x0202143b,
      .doc = "CPU Interface Identification Register: Arm, GIC-400, version 2" },
    { "GICC_DIR", 0x1000, 32, .mode = PB_WO, .write_at = dir_write, .raw_write = true,
      .doc = "Deactivate Interrupt Register" },
    { 0 },
};

/* ---- class -------------------------------------------------------------------------------------------------- */

static void gicv2_reset(void *self)
{
    gicv2 *s = self;

    memset(&s->group, 0, sizeof(s->group));
    memset(&s->enabled, 0, sizeof(s->enabled));
    memset(&s->latched, 0, sizeof(s->latched));
    memset(&s->active, 0, sizeof(s->active));
    memset(&s->edge, 0, sizeof(s->edge));
    memset(s->sgi_sources, 0, sizeof(s->sgi_sources));
    memset(s->priority_banked, 0, sizeof(s->priority_banked));
    memset(s->priority, 0, sizeof(s->priority));
    memset(s->targets, 0, sizeof(s->targets));
    for (uint32_t cpu = 0; cpu < CPUS; cpu++) {
        s->enabled.banked[cpu] = 0xffff;
        s->edge.banked[cpu] = 0xffff;
        s->cpu[cpu] = (cpu_interface){ .bpr = MIN_BPR, .abpr = MIN_BPR + 1 };
    }
    update(s);
}

static const pb_prop gicv2_props[] = {
    { "cpus", PB_PROP_UINT, PB_MEMBER(gicv2, cpus), "1", 1, CPUS, .doc = "Processors" },
    { "spis", PB_PROP_UINT, PB_MEMBER(gicv2, spis), "256", 0, 988,
      .doc = "Shared peripheral interrupts, INTID 32 and up" },
    { 0 },
};

static const pb_line_iface spi_iface = { sizeof(pb_line_iface), spi_set };
static const pb_line_iface ppi_iface = { sizeof(pb_line_iface), ppi_set };

static const pb_port gicv2_ports[] = {
    { "spi", PB_PROTOCOL_IRQ, PB_PROVIDES, .count_offset = offsetof(gicv2, spis) + 1,
      .iface = &spi_iface, .doc = "Shared peripheral interrupt n is INTID 32 + n" },
    { "ppi", PB_PROTOCOL_IRQ, PB_PROVIDES, .count = CPUS * 32, .iface = &ppi_iface,
      .doc = "Private peripheral interrupts: processor * 32 + INTID, INTID 16 to 31" },
    { "irq", PB_PROTOCOL_IRQ, PB_REQUIRES, .count = CPUS, PB_HANDLE(gicv2, irq), .optional = true,
      .doc = "To processor n" },
    { "fiq", PB_PROTOCOL_IRQ, PB_REQUIRES, .count = CPUS, PB_HANDLE(gicv2, fiq), .optional = true,
      .doc = "To processor n" },
    { 0 },
};

static const pb_state gicv2_state[] = {
    PB_STATE(gicv2, group),
    PB_STATE(gicv2, enabled),
    PB_STATE(gicv2, latched),
    PB_STATE(gicv2, active),
    PB_STATE(gicv2, level),
    PB_STATE(gicv2, edge),
    PB_STATE_ARRAY(gicv2, sgi_sources),
    PB_STATE_ARRAY(gicv2, priority_banked),
    PB_STATE_ARRAY(gicv2, priority),
    PB_STATE_ARRAY(gicv2, targets),
    PB_STATE_ARRAY(gicv2, cpu),
    { 0 },
};

static const pb_region gicv2_regions[] = {
    { "distributor", PB_REGION_REGS, 0x1000, .regs = gicd_regs, .access_max = 4,
      .doc = "Distributor" },
    { "cpu-interface", PB_REGION_REGS, 0x2000, .regs = gicc_regs, .access_max = 4,
      .doc = "CPU interface of the processor that accesses it" },
    { 0 },
};

/* Linux Documentation/devicetree/bindings/interrupt-controller/arm,gic.yaml: type, number, flags; a PPI's flags
 * hold the mask of processors in bits 15:8. */
static bool gicv2_interrupt(void *self, const char *port, uint32_t index, uint32_t *cells)
{
    gicv2 *s = self;

    if (!strcmp(port, "ppi"))
        return gic_fdt_ppi(index % 32, ((1u << s->cpus) - 1) << 8, cells);
    return !strcmp(port, "spi") && gic_fdt_spi(index, cells);
}

static const char *const gicv2_compatible[] = { "arm,cortex-a15-gic", NULL };

static const pb_fdt_desc gicv2_fdt = {
    .size = sizeof(pb_fdt_desc),
    .node = "intc",
    .compatible = gicv2_compatible,
    .interrupt = gicv2_interrupt,
    .interrupt_cells = 3,
};

static const pb_gap gaps[] = {
    { "Security Extensions", "feature", "GICD_TYPER.SecurityExtn is 0" },
    { "Virtualization Extensions", "feature", "chapter 5: GICH and GICV" },
    { 0 },
};

const pb_device_type gicv2_type = {
    .head = { .size = sizeof(pb_device_type),
              .kind = PB_KIND_DEVICE,
              .name = "v2",
              .doc = "Arm Generic Interrupt Controller version 2 (GIC-400)",
              .instance_size = sizeof(gicv2),
              PB_SELF(gicv2, self),
              .props = gicv2_props,
              .ports = gicv2_ports,
              .state = gicv2_state,
              .reset = gicv2_reset },
    .regions = gicv2_regions,
    .fdt = &gicv2_fdt,
    .manual = "Arm IHI 0048B.b; Arm DDI 0471 (GIC-400)",
    .gaps = gaps,
};
