/*
 * Arm Generic Interrupt Controller, architecture version 3. Arm IHI 0069H: distributor,
 * redistributors, and the system-register CPU interfaces that processors reach through a port.
 *
 * Ports: spi[n] (INTID 32 + n), ppi[cpu * 32 + INTID], cpu-interface[cpu], irq[cpu], fiq[cpu].
 * One security state (GICD_CTLR.DS is 1), affinity routing always on, five priority bits.
 * Not there, and the ID registers say so: LPIs and the ITS, 1-of-N routing, message-based SPIs, the legacy
 * memory-mapped CPU interface, the virtual CPU interface (ICH_*, ICV_*).
 *
 * The rules at the head of gicv2.c hold here too.
 */
#include "gic.h"

#include <patchbay/arm/gic.h>

#define MIN_BPR 2u /* ICC_BPR0 for five priority bits (4.8.2); ICC_BPR1 is one more */

enum { CTLR_GRP0 = 1, CTLR_GRP1 = 2, CTLR_ARE = 1 << 4, CTLR_DS = 1 << 6 };
enum { ICC_CBPR = 1, ICC_EOI_MODE = 2 };
enum { WAKER_PROCESSOR_SLEEP = 2, WAKER_CHILDREN_ASLEEP = 4 };

typedef struct cpu_interface {
    uint32_t ctlr, pmr, bpr[2], enable[2]; /* by group: ICC_BPRn, ICC_IGRPENn */
    uint32_t apr[2];
    uint32_t waker;
} cpu_interface;

typedef struct gicv3 {
    pb_object *self;
    uint32_t cpus, spis, cluster;
    uint64_t redistributor_bytes;
    uint32_t ctlr;
    int_bits group, enabled, latched, active, level, edge;
    uint8_t priority_banked[GIC_CPUS][32];
    uint8_t priority[GIC_IDS];
    uint64_t router[GIC_IDS]; /* GICD_IROUTER: affinity */
    cpu_interface cpu[GIC_CPUS];
    pb_line *irq[GIC_CPUS], *fiq[GIC_CPUS];
} gicv3;

static uint32_t n_ids(const gicv3 *s)
{
    return 32 + s->spis;
}
static uint32_t n_words(const gicv3 *s)
{
    return (n_ids(s) + 31) / 32;
}
static uint32_t valid_mask(const gicv3 *s, uint32_t n)
{
    return gic_valid_mask(n_ids(s), n);
}

/* Affinity of a processor, packed as in GICR_TYPER[63:32] and, for levels 0 to 2, in IROUTER. */
static uint32_t affinity_of(const gicv3 *s, uint32_t cpu)
{
    return cpu % s->cluster | (cpu / s->cluster) << 8;
}

/* The processor with an affinity in IROUTER's form (Aff3 in 39:32); GIC_CPUS if there is none. */
static uint32_t cpu_of_affinity(const gicv3 *s, uint64_t affinity)
{
    uint32_t aff0 = affinity & 0xff, cpu = (uint32_t)(affinity >> 8 & 0xff) * s->cluster + aff0;

    return affinity >> 16 == 0 && aff0 < s->cluster && cpu < s->cpus ? cpu : GIC_CPUS;
}

static uint8_t *priority_of(gicv3 *s, uint32_t cpu, uint32_t id)
{
    return id < 32 ? &s->priority_banked[cpu][id] : &s->priority[id];
}

static uint32_t pending_word(gicv3 *s, uint32_t cpu, uint32_t n)
{
    return *word(&s->latched, cpu, n) | (*word(&s->level, cpu, n) & ~*word(&s->edge, cpu, n));
}

/* As in gicv2.c, over the groups in `groups` (bit 0: group 0, bit 1: group 1). */
static uint32_t highest_pending(gicv3 *s, uint32_t cpu, uint32_t groups)
{
    uint32_t best = GIC_SPURIOUS, best_priority = 256;

    groups &= s->ctlr;
    for (uint32_t n = 0; n < n_words(s); n++) {
        uint32_t group1 = *word(&s->group, cpu, n);
        uint32_t bits = pending_word(s, cpu, n) & *word(&s->enabled, cpu, n) &
                        ~*word(&s->active, cpu, n) & valid_mask(s, n);

        bits &= (groups & CTLR_GRP1 ? group1 : 0) | (groups & CTLR_GRP0 ? ~group1 : 0);
        while (bits) {
            uint32_t id = n * 32 + (uint32_t)__builtin_ctz(bits);
            uint32_t priority = *priority_of(s, cpu, id);

            bits &= bits - 1;
            if (priority < best_priority && (id < 32 || cpu_of_affinity(s, s->router[id]) == cpu)) {
                best = id;
                best_priority = priority;
            }
        }
    }
    return best;
}

static uint32_t group_mask(const cpu_interface *c, bool group1)
{
    uint32_t bpr = group1 && !(c->ctlr & ICC_CBPR) ? c->bpr[1] - 1 : c->bpr[0];

    return ~((2u << bpr) - 1) & 0xff;
}

static uint32_t running_priority(const cpu_interface *c)
{
    return gic_running_priority(c->apr[0] | c->apr[1]);
}

/* What the interface signals now. A redistributor that sleeps forwards nothing (11.1). The hardware resets
 * asleep; ours resets awake, because software below EL3 (EDK2) takes it for granted that firmware at EL3 woke it. */
static uint32_t signalled(gicv3 *s, uint32_t cpu)
{
    cpu_interface *c = &s->cpu[cpu];
    uint32_t id = highest_pending(s, cpu, c->enable[0] | c->enable[1] << 1);
    uint32_t priority;

    if (id == GIC_SPURIOUS || (c->waker & WAKER_PROCESSOR_SLEEP))
        return GIC_SPURIOUS;
    priority = *priority_of(s, cpu, id);
    if (priority >= c->pmr ||
        (priority & group_mask(c, test_bit(&s->group, cpu, id))) >= running_priority(c))
        return GIC_SPURIOUS;
    return id;
}

/* With one security state group 0 is signalled as FIQ and group 1 as IRQ (4.6.2). */
static void update_cpu(gicv3 *s, uint32_t cpu)
{
    uint32_t id = signalled(s, cpu);
    bool group1 = id != GIC_SPURIOUS && test_bit(&s->group, cpu, id);

    pb_line_set(s->irq[cpu], group1);
    pb_line_set(s->fiq[cpu], id != GIC_SPURIOUS && !group1);
}

static void update(gicv3 *s)
{
    for (uint32_t cpu = 0; cpu < s->cpus; cpu++)
        update_cpu(s, cpu);
}

/* ---- inputs ------------------------------------------------------------------------------------------------ */

static void input_changed(gicv3 *s, uint32_t cpu, uint32_t id, bool level)
{
    if (level && !test_bit(&s->level, cpu, id) && test_bit(&s->edge, cpu, id))
        put_bit(&s->latched, cpu, id, true);
    put_bit(&s->level, cpu, id, level);
    update_cpu(s, cpu);
}

static void spi_set(void *self, uint32_t index, bool level)
{
    gicv3 *s = self;
    uint32_t cpu;

    if (index >= s->spis)
        return;
    cpu = cpu_of_affinity(s, s->router[32 + index]);
    input_changed(s, cpu < s->cpus ? cpu : 0, 32 + index, level);
}

static void ppi_set(void *self, uint32_t index, bool level)
{
    gicv3 *s = self;

    if (index / 32 < s->cpus && index % 32 >= 16)
        input_changed(s, index / 32, index % 32, level);
}

/* ---- registers that distributor and redistributor have in the same form -------------------------------------- */

/* Which words an access means: the distributor's rows hold words 1 and up (word 0 is RAZ/WI with affinity
 * routing, 12.9), a redistributor's frame holds word 0 of its processor. */
typedef struct bank {
    gicv3 *s;
    uint32_t cpu, n;
    bool exists;
} bank;

static bank dist_bank(void *self, const pb_access *a)
{
    return (bank){ self, 0, a->index, a->index != 0 };
}

static bank redist_bank(void *self, const pb_access *a)
{
    return (bank){ self, a->frame, 0, a->frame < ((gicv3 *)self)->cpus };
}

static uint64_t bits_read(bank b, int_bits *bits)
{
    return b.exists ? *word(bits, b.cpu, b.n) : 0;
}

static void bits_write(bank b, int_bits *bits, uint32_t set, uint32_t clear)
{
    if (!b.exists)
        return;
    *word(bits, b.cpu, b.n) = (*word(bits, b.cpu, b.n) & ~clear) | (set & valid_mask(b.s, b.n));
    if (b.n)
        update(b.s);
    else
        update_cpu(b.s, b.cpu);
}

static uint64_t pending_bits(bank b)
{
    return b.exists ? pending_word(b.s, b.cpu, b.n) : 0;
}

/* Four priorities from interrupt `first`. */
static uint64_t priorities_read(bank b, uint32_t first)
{
    uint32_t value = 0;

    for (uint32_t i = 0; b.exists && i < 4 && first + i < n_ids(b.s); i++)
        value |= (uint32_t)*priority_of(b.s, b.cpu, first + i) << (8 * i);
    return value;
}

static void priorities_write(bank b, uint32_t first, uint64_t now)
{
    for (uint32_t i = 0; b.exists && i < 4 && first + i < n_ids(b.s); i++)
        *priority_of(b.s, b.cpu, first + i) = now >> (8 * i) & GIC_PRIORITY_MASK;
    if (b.exists)
        update(b.s);
}

static uint64_t config_read(bank b, uint32_t half)
{
    uint32_t edges = b.exists ? *word(&b.s->edge, b.cpu, b.n) >> (half * 16) : 0, value = 0;

    for (uint32_t i = 0; i < 16; i++)
        value |= (edges >> i & 1) << (2 * i + 1);
    return value;
}

static void config_write(bank b, uint32_t half, uint64_t now)
{
    uint32_t edges = 0;

    for (uint32_t i = 0; i < 16; i++)
        edges |= (uint32_t)(now >> (2 * i + 1) & 1) << i;
    bits_write(b, &b.s->edge, edges << (half * 16), 0xffffu << (half * 16));
}

/* ---- distributor ------------------------------------------------------------------------------------------------ */

static void ctlr_write(void *self, uint64_t old, uint64_t now)
{
    update(self);
}

static uint64_t typer_read(void *self)
{
    gicv3 *s = self;

    /* IDbits 9 (ten bits), A3V, No1N. CPUNumber is 0: there is no legacy operation. */
    return (n_words(s) - 1) | 9u << 19 | 1u << 24 | 1u << 25;
}

static uint64_t group_read(void *self, const pb_access *a)
{
    return bits_read(dist_bank(self, a), &((gicv3 *)self)->group);
}
static void group_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    bits_write(dist_bank(self, a), &((gicv3 *)self)->group, (uint32_t)now, UINT32_MAX);
}
static uint64_t enabled_read(void *self, const pb_access *a)
{
    return bits_read(dist_bank(self, a), &((gicv3 *)self)->enabled);
}
static void isenabler_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    bits_write(dist_bank(self, a), &((gicv3 *)self)->enabled, (uint32_t)now, 0);
}
static void icenabler_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    bits_write(dist_bank(self, a), &((gicv3 *)self)->enabled, 0, (uint32_t)now);
}
static uint64_t pending_read(void *self, const pb_access *a)
{
    return pending_bits(dist_bank(self, a));
}
static void ispendr_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    bits_write(dist_bank(self, a), &((gicv3 *)self)->latched, (uint32_t)now, 0);
}
static void icpendr_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    bits_write(dist_bank(self, a), &((gicv3 *)self)->latched, 0, (uint32_t)now);
}
static uint64_t active_read(void *self, const pb_access *a)
{
    return bits_read(dist_bank(self, a), &((gicv3 *)self)->active);
}
static void isactiver_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    bits_write(dist_bank(self, a), &((gicv3 *)self)->active, (uint32_t)now, 0);
}
static void icactiver_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    bits_write(dist_bank(self, a), &((gicv3 *)self)->active, 0, (uint32_t)now);
}

/* Rows of four or sixteen interrupts: index counts registers, so the word is index / 8 or index / 2. */
static bank dist_bank_of(void *self, uint32_t n)
{
    return (bank){ self, 0, n, n != 0 };
}

static uint64_t ipriorityr_read(void *self, const pb_access *a)
{
    return priorities_read(dist_bank_of(self, a->index / 8), a->index * 4);
}
static void ipriorityr_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    priorities_write(dist_bank_of(self, a->index / 8), a->index * 4, now);
}
static uint64_t icfgr_read(void *self, const pb_access *a)
{
    return config_read(dist_bank_of(self, a->index / 2), a->index % 2);
}
static void icfgr_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    config_write(dist_bank_of(self, a->index / 2), a->index % 2, now);
}

static uint64_t irouter_read(void *self, const pb_access *a)
{
    gicv3 *s = self;

    return 32 + a->index < n_ids(s) ? s->router[32 + a->index] : 0;
}
static void irouter_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    gicv3 *s = self;

    if (32 + a->index >= n_ids(s))
        return;
    s->router[32 + a->index] = now;
    update(s);
}

static const pb_field gicd_ctlr_fields[] = {
    { "EnableGrp0", 0, 1, .doc = "Forward group 0 interrupts" },
    { "EnableGrp1", 1, 1, .doc = "Forward group 1 interrupts" },
    { "ARE", 4, 1, PB_RO, .doc = "Affinity routing is on" },
    { "DS", 6, 1, PB_RO, .doc = "One security state" },
    { "E1NWF", 7, 1, PB_RO, .doc = "1-of-N wake-up: not there" },
    { "RWP", 31, 1, PB_RO, .doc = "Register write pending: never" },
    { 0 },
};

/* The identification registers of both kinds of frame, at the end of 64 KiB (12.8.x); PIDR2 says
 * architecture version 3. */
#define GIC_ID_ROWS(base)                                                                        \
    { "PIDR4", (base) + 0xffd0, 32, .mode = PB_RO, .reset = 0x44, .doc = "Peripheral ID4" },     \
        { "PIDR5", (base) + 0xffd4, 32, .mode = PB_RO, .doc = "Peripheral ID5" },                \
        { "PIDR6", (base) + 0xffd8, 32, .mode = PB_RO, .doc = "Peripheral ID6" },                \
        { "PIDR7", (base) + 0xffdc, 32, .mode = PB_RO, .doc = "Peripheral ID7" },                \
        { "PIDR0", (base) + 0xffe0, 32, .mode = PB_RO, .reset = 0x92, .doc = "Peripheral ID0" }, \
        { "PIDR1", (base) + 0xffe4, 32, .mode = PB_RO, .reset = 0xb4, .doc = "Peripheral ID1" }, \
        { "PIDR2", (base) + 0xffe8, 32, .mode = PB_RO, .reset = 0x3b, .doc = "Peripheral ID2" }, \
        { "PIDR3", (base) + 0xffec, 32, .mode = PB_RO, .doc = "Peripheral ID3" },                \
        { "CIDR0", (base) + 0xfff0, 32, .mode = PB_RO, .reset = 0x0d, .doc = "Component ID0" },  \
        { "CIDR1", (base) + 0xfff4, 32, .mode = PB_RO, .reset = 0xf0, .doc = "Component ID1" },  \
        { "CIDR2", (base) + 0xfff8, 32, .mode = PB_RO, .reset = 0x05, .doc = "Component ID2" },  \
    {                                                                                            \
        "CIDR3", (base) + 0xfffc, 32, .mode = PB_RO, .reset = 0xb1, .doc = "Component ID3"       \
    }

static const pb_reg gicd_regs[] = {
    { "GICD_CTLR", 0x0000, 32, PB_STORE(gicv3, ctlr), .reset = CTLR_ARE | CTLR_DS, .write_mask = 3,
      .write = ctlr_write, .fields = gicd_ctlr_fields, .doc = "Distributor Control Register" },
    { "GICD_TYPER", 0x0004, 32, .mode = PB_RO, .read = typer_read,
      .doc = "Interrupt Controller Type Register" },
    { "GICD_IIDR", 0x0008, 32, .mode = PB_RO, .reset = 0x0200043b,
      .doc = "Distributor Implementer Identification Register" },
    { "GICD_TYPER2", 0x000c, 32, .mode = PB_RO, .doc = "Interrupt Controller Type Register 2" },
    { "GICD_STATUSR", 0x0010, 32, .mode = PB_RAZ_WI,
      .doc = "Error Reporting Status Register: optional" },
    { "GICD_SETSPI_NSR", 0x0040, 32, .mode = PB_RAZ_WI,
      .doc = "Message-based SPIs: GICD_TYPER.MBIS is 0" },
    { "GICD_CLRSPI_NSR", 0x0048, 32, .mode = PB_RAZ_WI, .doc = "Message-based SPIs" },
    { "GICD_SETSPI_SR", 0x0050, 32, .mode = PB_RAZ_WI, .doc = "Message-based SPIs" },
    { "GICD_CLRSPI_SR", 0x0058, 32, .mode = PB_RAZ_WI, .doc = "Message-based SPIs" },
    { "GICD_IGROUPR", 0x0080, 32, .count = 32, .read_at = group_read, .write_at = group_write,
      .doc = "Interrupt Group Registers" },
    { "GICD_ISENABLER", 0x0100, 32, .count = 32, .read_at = enabled_read,
      .write_at = isenabler_write, .raw_write = true, .doc = "Interrupt Set-Enable Registers" },
    { "GICD_ICENABLER", 0x0180, 32, .count = 32, .read_at = enabled_read,
      .write_at = icenabler_write, .raw_write = true, .doc = "Interrupt Clear-Enable Registers" },
    { "GICD_ISPENDR", 0x0200, 32, .count = 32, .read_at = pending_read, .write_at = ispendr_write,
      .raw_write = true, .doc = "Interrupt Set-Pending Registers" },
    { "GICD_ICPENDR", 0x0280, 32, .count = 32, .read_at = pending_read, .write_at = icpendr_write,
      .raw_write = true, .doc = "Interrupt Clear-Pending Registers" },
    { "GICD_ISACTIVER", 0x0300, 32, .count = 32, .read_at = active_read,
      .write_at = isactiver_write, .raw_write = true, .doc = "Interrupt Set-Active Registers" },
    { "GICD_ICACTIVER", 0x0380, 32, .count = 32, .read_at = active_read,
      .write_at = icactiver_write, .raw_write = true, .doc = "Interrupt Clear-Active Registers" },
    { "GICD_IPRIORITYR", 0x0400, 32, .count = 255, .read_at = ipriorityr_read,
      .write_at = ipriorityr_write, .doc = "Interrupt Priority Registers" },
    { "GICD_ITARGETSR", 0x0800, 32, .count = 255, .mode = PB_RAZ_WI,
      .doc = "Interrupt Processor Targets Registers: legacy operation only" },
    { "GICD_ICFGR", 0x0c00, 32, .count = 64, .read_at = icfgr_read, .write_at = icfgr_write,
      .doc = "Interrupt Configuration Registers" },
    { "GICD_IGRPMODR", 0x0d00, 32, .count = 32, .mode = PB_RAZ_WI,
      .doc = "Interrupt Group Modifier Registers: two security states only" },
    { "GICD_NSACR", 0x0e00, 32, .count = 64, .mode = PB_RAZ_WI,
      .doc = "Non-secure Access Control Registers: two security states only" },
    { "GICD_SGIR", 0x0f00, 32, .mode = PB_RAZ_WI,
      .doc = "Software Generated Interrupt Register: legacy operation only" },
    { "GICD_CPENDSGIR", 0x0f10, 32, .count = 4, .mode = PB_RAZ_WI, .doc = "Legacy operation only" },
    { "GICD_SPENDSGIR", 0x0f20, 32, .count = 4, .mode = PB_RAZ_WI, .doc = "Legacy operation only" },
    { "GICD_IROUTER", 0x6100, 64, .count = 988, .write_mask = UINT64_C(0xff00ffffff),
      .read_at = irouter_read, .write_at = irouter_write,
      .doc = "Interrupt Routing Registers, from INTID 32" },
    GIC_ID_ROWS(0),
    { 0 },
};

/* ---- redistributor --------------------------------------------------------------------------------------------- */

static uint64_t gicr_typer_read(void *self, const pb_access *a)
{
    gicv3 *s = self;
    bool last = a->frame == s->cpus - 1;

    if (a->frame >= s->cpus)
        return 0; /* the region may be larger than it needs to be */
    return (uint64_t)affinity_of(s, a->frame) << 32 | (uint64_t)a->frame << 8 | (uint64_t)last << 4;
}

static uint64_t waker_read(void *self, const pb_access *a)
{
    gicv3 *s = self;

    return a->frame < s->cpus ? s->cpu[a->frame].waker : 0;
}

static void waker_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    gicv3 *s = self;

    if (a->frame >= s->cpus)
        return;
    s->cpu[a->frame].waker =
        now & WAKER_PROCESSOR_SLEEP ? WAKER_PROCESSOR_SLEEP | WAKER_CHILDREN_ASLEEP : 0;
    update_cpu(s, a->frame);
}

static uint64_t group0_read(void *self, const pb_access *a)
{
    return bits_read(redist_bank(self, a), &((gicv3 *)self)->group);
}
static void group0_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    bits_write(redist_bank(self, a), &((gicv3 *)self)->group, (uint32_t)now, UINT32_MAX);
}
static uint64_t enabled0_read(void *self, const pb_access *a)
{
    return bits_read(redist_bank(self, a), &((gicv3 *)self)->enabled);
}
static void isenabler0_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    bits_write(redist_bank(self, a), &((gicv3 *)self)->enabled, (uint32_t)now, 0);
}
static void icenabler0_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    bits_write(redist_bank(self, a), &((gicv3 *)self)->enabled, 0, (uint32_t)now);
}
static uint64_t pending0_read(void *self, const pb_access *a)
{
    return pending_bits(redist_bank(self, a));
}
static void ispendr0_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    bits_write(redist_bank(self, a), &((gicv3 *)self)->latched, (uint32_t)now, 0);
}
static void icpendr0_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    bits_write(redist_bank(self, a), &((gicv3 *)self)->latched, 0, (uint32_t)now);
}
static uint64_t active0_read(void *self, const pb_access *a)
{
    return bits_read(redist_bank(self, a), &((gicv3 *)self)->active);
}
static void isactiver0_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    bits_write(redist_bank(self, a), &((gicv3 *)self)->active, (uint32_t)now, 0);
}
static void icactiver0_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    bits_write(redist_bank(self, a), &((gicv3 *)self)->active, 0, (uint32_t)now);
}
static uint64_t ipriorityr0_read(void *self, const pb_access *a)
{
    return priorities_read(redist_bank(self, a), a->index * 4);
}
static void ipriorityr0_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    priorities_write(redist_bank(self, a), a->index * 4, now);
}
static uint64_t icfgr0_read(void *self, const pb_access *a)
{
    return config_read(redist_bank(self, a), 0);
}
static uint64_t icfgr1_read(void *self, const pb_access *a)
{
    return config_read(redist_bank(self, a), 1);
}
static void icfgr1_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    config_write(redist_bank(self, a), 1, now);
}

static const pb_field waker_fields[] = {
    { "ProcessorSleep", 1, 1, .doc = "The processor's interface is asleep" },
    { "ChildrenAsleep", 2, 1, PB_RO, .doc = "Follows ProcessorSleep at once" },
    { 0 },
};

#define SGI_BASE 0x10000

static const pb_reg gicr_regs[] = {
    { "GICR_CTLR", 0x0000, 32, .mode = PB_RAZ_WI,
      .doc = "Redistributor Control Register: no LPIs" },
    { "GICR_IIDR", 0x0004, 32, .mode = PB_RO, .reset = 0x0200043b,
      .doc = "Redistributor Implementer Identification Register" },
    { "GICR_TYPER", 0x0008, 64, .mode = PB_RO, .read_at = gicr_typer_read,
      .doc = "Redistributor Type Register" },
    { "GICR_STATUSR", 0x0010, 32, .mode = PB_RAZ_WI, .doc = "Error Reporting Status Register" },
    { "GICR_WAKER", 0x0014, 32, .read_at = waker_read, .write_at = waker_write,
      .fields = waker_fields, .doc = "Redistributor Wake Register" },
    { "GICR_PROPBASER", 0x0070, 64, .mode = PB_RAZ_WI, .doc = "LPI properties: no LPIs" },
    { "GICR_PENDBASER", 0x0078, 64, .mode = PB_RAZ_WI, .doc = "LPI pending table: no LPIs" },
    GIC_ID_ROWS(0),
    { "GICR_IGROUPR0", SGI_BASE + 0x080, 32, .read_at = group0_read, .write_at = group0_write,
      .doc = "Interrupt Group Register 0" },
    { "GICR_ISENABLER0", SGI_BASE + 0x100, 32, .read_at = enabled0_read,
      .write_at = isenabler0_write, .raw_write = true, .doc = "Interrupt Set-Enable Register 0" },
    { "GICR_ICENABLER0", SGI_BASE + 0x180, 32, .read_at = enabled0_read,
      .write_at = icenabler0_write, .raw_write = true, .doc = "Interrupt Clear-Enable Register 0" },
    { "GICR_ISPENDR0", SGI_BASE + 0x200, 32, .read_at = pending0_read, .write_at = ispendr0_write,
      .raw_write = true, .doc = "Interrupt Set-Pending Register 0" },
    { "GICR_ICPENDR0", SGI_BASE + 0x280, 32, .read_at = pending0_read, .write_at = icpendr0_write,
      .raw_write = true, .doc = "Interrupt Clear-Pending Register 0" },
    { "GICR_ISACTIVER0", SGI_BASE + 0x300, 32, .read_at = active0_read,
      .write_at = isactiver0_write, .raw_write = true, .doc = "Interrupt Set-Active Register 0" },
    { "GICR_ICACTIVER0", SGI_BASE + 0x380, 32, .read_at = active0_read,
      .write_at = icactiver0_write, .raw_write = true, .doc = "Interrupt Clear-Active Register 0" },
    { "GICR_IPRIORITYR", SGI_BASE + 0x400, 32, .count = 8, .read_at = ipriorityr0_read,
      .write_at = ipriorityr0_write, .doc = "Interrupt Priority Registers 0 to 7" },
    { "GICR_ICFGR0", SGI_BASE + 0xc00, 32, .mode = PB_RO, .read_at = icfgr0_read,
      .reset = 0xaaaaaaaa, .doc = "Interrupt Configuration Register 0: SGIs are edge-triggered" },
    { "GICR_ICFGR1", SGI_BASE + 0xc04, 32, .read_at = icfgr1_read, .write_at = icfgr1_write,
      .doc = "Interrupt Configuration Register 1: PPIs" },
    { "GICR_IGRPMODR0", SGI_BASE + 0xd00, 32, .mode = PB_RAZ_WI,
      .doc = "Interrupt Group Modifier Register 0: two security states only" },
    { "GICR_NSACR", SGI_BASE + 0xe00, 32, .mode = PB_RAZ_WI,
      .doc = "Non-secure Access Control Register: two security states only" },
    { 0 },
};

/* ---- CPU interface: system registers (12.2) ------------------------------------------------------------------------ */

static uint32_t acknowledge(gicv3 *s, uint32_t cpu, uint32_t group)
{
    cpu_interface *c = &s->cpu[cpu];
    uint32_t id = signalled(s, cpu);

    if (id == GIC_SPURIOUS || test_bit(&s->group, cpu, id) != group)
        return GIC_SPURIOUS;
    put_bit(&s->latched, cpu, id, false);
    put_bit(&s->active, cpu, id, true);
    c->apr[group] |= 1u << ((*priority_of(s, cpu, id) & group_mask(c, group)) >> 3);
    update_cpu(s, cpu);
    return id;
}

static void deactivate(gicv3 *s, uint32_t cpu, uint32_t id)
{
    if (id < n_ids(s)) {
        put_bit(&s->active, cpu, id, false);
        update(s);
    }
}

static void end_of_interrupt(gicv3 *s, uint32_t cpu, uint32_t group, uint32_t id)
{
    cpu_interface *c = &s->cpu[cpu];

    if (id >= n_ids(s))
        return; /* special INTIDs are ignored */
    c->apr[group] &= c->apr[group] - 1;
    if (c->ctlr & ICC_EOI_MODE)
        update_cpu(s, cpu);
    else
        deactivate(s, cpu, id);
}

/* ICC_SGI0R, ICC_SGI1R, ICC_ASGI1R (12.2.x): to the listed processors of one cluster, or to all others. An SGI
 * of the other group is not generated. */
static void generate_sgi(gicv3 *s, uint32_t from, uint32_t group, uint64_t value)
{
    uint32_t id = value >> 24 & 15, first = (uint32_t)(value >> 44 & 15) * 16;
    uint64_t cluster =
        (value >> 16 & 0xff) << 8 | (value >> 32 & 0xff) << 16 | (value >> 48 & 0xff) << 32;
    bool all_others = value >> 40 & 1;

    for (uint32_t cpu = 0; cpu < s->cpus; cpu++) {
        uint64_t affinity = affinity_of(s, cpu);
        uint32_t place = (uint32_t)(affinity & 0xff) - first;
        bool listed = (affinity & ~UINT64_C(0xff)) == cluster && place < 16 && (value >> place & 1);

        if ((all_others ? cpu != from : listed) && test_bit(&s->group, cpu, id) == group) {
            put_bit(&s->latched, cpu, id, true);
            update_cpu(s, cpu);
        }
    }
}

static void set_bpr(cpu_interface *c, uint32_t group, uint64_t value)
{
    uint32_t min = MIN_BPR + group, bpr = value & 7;

    c->bpr[group] = bpr < min ? min : bpr;
}

/* The registers of one processor's interface, by encoding. */
enum {
    ICC_PMR = PB_ARM_SYSREG(3, 0, 4, 6, 0),
    ICC_IAR0 = PB_ARM_SYSREG(3, 0, 12, 8, 0),
    ICC_EOIR0 = PB_ARM_SYSREG(3, 0, 12, 8, 1),
    ICC_HPPIR0 = PB_ARM_SYSREG(3, 0, 12, 8, 2),
    ICC_BPR0 = PB_ARM_SYSREG(3, 0, 12, 8, 3),
    ICC_AP0R0 = PB_ARM_SYSREG(3, 0, 12, 8, 4),
    ICC_AP1R0 = PB_ARM_SYSREG(3, 0, 12, 9, 0),
    ICC_DIR = PB_ARM_SYSREG(3, 0, 12, 11, 1),
    ICC_RPR = PB_ARM_SYSREG(3, 0, 12, 11, 3),
    ICC_SGI1R = PB_ARM_SYSREG(3, 0, 12, 11, 5),
    ICC_ASGI1R = PB_ARM_SYSREG(3, 0, 12, 11, 6),
    ICC_SGI0R = PB_ARM_SYSREG(3, 0, 12, 11, 7),
    ICC_IAR1 = PB_ARM_SYSREG(3, 0, 12, 12, 0),
    ICC_EOIR1 = PB_ARM_SYSREG(3, 0, 12, 12, 1),
    ICC_HPPIR1 = PB_ARM_SYSREG(3, 0, 12, 12, 2),
    ICC_BPR1 = PB_ARM_SYSREG(3, 0, 12, 12, 3),
    ICC_CTLR = PB_ARM_SYSREG(3, 0, 12, 12, 4),
    ICC_SRE = PB_ARM_SYSREG(3, 0, 12, 12, 5),
    ICC_IGRPEN0 = PB_ARM_SYSREG(3, 0, 12, 12, 6),
    ICC_IGRPEN1 = PB_ARM_SYSREG(3, 0, 12, 12, 7),
    ICC_SRE_EL2 = PB_ARM_SYSREG(3, 4, 12, 9, 5),
    ICC_CTLR_EL3 = PB_ARM_SYSREG(3, 6, 12, 12, 4),
    ICC_SRE_EL3 = PB_ARM_SYSREG(3, 6, 12, 12, 5),
    ICC_IGRPEN1_EL3 = PB_ARM_SYSREG(3, 6, 12, 12, 7),
};

/* PRIbits 4 (five bits), A3V; IDbits 0: sixteen-bit INTIDs. */
#define ICC_CTLR_FIXED (4u << 8 | 1u << 15)
/* ICC_CTLR_EL3 has CBPR and EOImode once for each level and state; with one security state they are the same. */
#define ICC_EL3_CBPR     (3u << 0)
#define ICC_EL3_EOI_MODE (7u << 2)
/* SRE, DFB, DIB: memory-mapped access and bypass do not exist; Enable for lower levels. */
#define ICC_SRE_FIXED  7u
#define ICC_SRE_ENABLE 8u

static bool icc_read(void *self, uint32_t cpu, const pb_arm_gic_context *context, uint32_t reg,
                     uint64_t *value)
{
    gicv3 *s = self;
    cpu_interface *c = &s->cpu[cpu];

    switch (reg) {
    case ICC_PMR:
        *value = c->pmr;
        return true;
    case ICC_IAR0:
        *value = acknowledge(s, cpu, 0);
        return true;
    case ICC_IAR1:
        *value = acknowledge(s, cpu, 1);
        return true;
    case ICC_HPPIR0:
        *value = highest_pending(s, cpu, CTLR_GRP0);
        return true;
    case ICC_HPPIR1:
        *value = highest_pending(s, cpu, CTLR_GRP1);
        return true;
    case ICC_BPR0:
        *value = c->bpr[0];
        return true;
    /* With CBPR, reads of BPR1 give BPR0 + 1, at most 7 (12.2.5). */
    case ICC_BPR1:
        *value = !(c->ctlr & ICC_CBPR) ? c->bpr[1] : c->bpr[0] < 7 ? c->bpr[0] + 1 : 7;
        return true;
    case ICC_AP0R0:
        *value = c->apr[0];
        return true;
    case ICC_AP1R0:
        *value = c->apr[1];
        return true;
    case ICC_RPR:
        *value = running_priority(c);
        return true;
    case ICC_CTLR:
        *value = c->ctlr | ICC_CTLR_FIXED;
        return true;
    case ICC_CTLR_EL3:
        *value = (c->ctlr & ICC_CBPR ? ICC_EL3_CBPR : 0) |
                 (c->ctlr & ICC_EOI_MODE ? ICC_EL3_EOI_MODE : 0) | ICC_CTLR_FIXED;
        return true;
    case ICC_SRE:
        *value = ICC_SRE_FIXED;
        return true;
    case ICC_SRE_EL2:
    case ICC_SRE_EL3:
        *value = ICC_SRE_FIXED | ICC_SRE_ENABLE;
        return true;
    case ICC_IGRPEN0:
        *value = c->enable[0];
        return true;
    case ICC_IGRPEN1:
        *value = c->enable[1];
        return true;
    case ICC_IGRPEN1_EL3:
        *value = c->enable[1] * 3;
        return true;
    }
    return false;
}

static bool icc_write(void *self, uint32_t cpu, const pb_arm_gic_context *context, uint32_t reg,
                      uint64_t value)
{
    gicv3 *s = self;
    cpu_interface *c = &s->cpu[cpu];

    switch (reg) {
    case ICC_PMR:
        c->pmr = value & GIC_PRIORITY_MASK;
        break;
    case ICC_EOIR0:
        end_of_interrupt(s, cpu, 0, value & 0xffffff);
        return true;
    case ICC_EOIR1:
        end_of_interrupt(s, cpu, 1, value & 0xffffff);
        return true;
    case ICC_BPR0:
        set_bpr(c, 0, value);
        break;
    case ICC_BPR1:
        if (!(c->ctlr & ICC_CBPR))
            set_bpr(c, 1, value);
        break;
    case ICC_AP0R0:
        c->apr[0] = (uint32_t)value;
        break;
    case ICC_AP1R0:
        c->apr[1] = (uint32_t)value;
        break;
    case ICC_DIR:
        if (c->ctlr & ICC_EOI_MODE)
            deactivate(s, cpu, value & 0xffffff);
        else
            pb_log_guest(s->self, "ICC_DIR_EL1 written while EOImode is 0");
        return true;
    case ICC_SGI0R:
        generate_sgi(s, cpu, 0, value);
        return true;
    case ICC_SGI1R:
    case ICC_ASGI1R:
        generate_sgi(s, cpu, 1, value);
        return true;
    case ICC_CTLR:
        c->ctlr = value & (ICC_CBPR | ICC_EOI_MODE);
        break;
    case ICC_CTLR_EL3: /* the bits of Non-secure EL1 */
        c->ctlr = (value >> 1 & 1 ? ICC_CBPR : 0) | (value >> 4 & 1 ? ICC_EOI_MODE : 0);
        break;
    case ICC_SRE:
    case ICC_SRE_EL2:
    case ICC_SRE_EL3:
        return true; /* read-only: RAO/WI */
    case ICC_IGRPEN0:
        c->enable[0] = value & 1;
        break;
    case ICC_IGRPEN1:
        c->enable[1] = value & 1;
        break;
    case ICC_IGRPEN1_EL3:
        c->enable[1] = (value | value >> 1) & 1;
        break;
    default:
        return false;
    }
    update_cpu(s, cpu);
    return true;
}

/* ---- class ------------------------------------------------------------------------------------------------------------ */

static bool gicv3_init(void *self, pb_error *error)
{
    gicv3 *s = self;
    uint64_t wanted = (uint64_t)s->cpus * 0x20000;

    return s->redistributor_bytes >= wanted ||
           pb_fail(error, "redistributor-bytes is %#llx, but %u processors need %#llx",
                   (unsigned long long)s->redistributor_bytes, s->cpus, (unsigned long long)wanted);
}

static void gicv3_reset(void *self)
{
    gicv3 *s = self;

    memset(&s->group, 0, sizeof(s->group));
    memset(&s->enabled, 0, sizeof(s->enabled));
    memset(&s->latched, 0, sizeof(s->latched));
    memset(&s->active, 0, sizeof(s->active));
    memset(&s->edge, 0, sizeof(s->edge));
    memset(s->priority_banked, 0, sizeof(s->priority_banked));
    memset(s->priority, 0, sizeof(s->priority));
    memset(s->router, 0, sizeof(s->router));
    for (uint32_t cpu = 0; cpu < GIC_CPUS; cpu++) {
        s->edge.banked[cpu] = 0xffff;
        s->cpu[cpu] = (cpu_interface){ .bpr = { MIN_BPR, MIN_BPR + 1 } };
    }
    update(s);
}

static const pb_prop gicv3_props[] = {
    { "cpus", PB_PROP_UINT, PB_MEMBER(gicv3, cpus), "1", 1, GIC_CPUS, .doc = "Processors" },
    { "spis", PB_PROP_UINT, PB_MEMBER(gicv3, spis), "256", 0, 988,
      .doc = "Shared peripheral interrupts, INTID 32 and up" },
    { "cluster", PB_PROP_UINT, PB_MEMBER(gicv3, cluster), "16", 1, 16,
      .doc = "Processors of one affinity level 0, as their MPIDR_EL1 says" },
    { "redistributor-bytes", PB_PROP_SIZE, PB_MEMBER(gicv3, redistributor_bytes), "0xf60000",
      0x20000, GIC_CPUS * 0x20000, .doc = "Size of the redistributor region: 128 KiB a processor" },
    { 0 },
};

static const pb_line_iface spi_iface = { sizeof(pb_line_iface), spi_set };
static const pb_line_iface ppi_iface = { sizeof(pb_line_iface), ppi_set };
static const pb_arm_gic_cpu_iface icc_iface = { sizeof(pb_arm_gic_cpu_iface), icc_read, icc_write };

static const pb_port gicv3_ports[] = {
    { "spi", PB_PROTOCOL_IRQ, PB_PROVIDES, .count_offset = offsetof(gicv3, spis) + 1,
      .iface = &spi_iface, .doc = "Shared peripheral interrupt n is INTID 32 + n" },
    { "ppi", PB_PROTOCOL_IRQ, PB_PROVIDES, .count = GIC_CPUS * 32, .iface = &ppi_iface,
      .doc = "Private peripheral interrupts: processor * 32 + INTID, INTID 16 to 31" },
    { "cpu-interface", PB_PROTOCOL_ARM_GIC_CPU, PB_PROVIDES,
      .count_offset = offsetof(gicv3, cpus) + 1, .iface = &icc_iface,
      .doc = "System registers of processor n's interface" },
    { "irq", PB_PROTOCOL_IRQ, PB_REQUIRES, .count = GIC_CPUS, PB_HANDLE(gicv3, irq),
      .optional = true, .doc = "To processor n" },
    { "fiq", PB_PROTOCOL_IRQ, PB_REQUIRES, .count = GIC_CPUS, PB_HANDLE(gicv3, fiq),
      .optional = true, .doc = "To processor n" },
    { 0 },
};

static const pb_state gicv3_state[] = {
    PB_STATE(gicv3, group),
    PB_STATE(gicv3, enabled),
    PB_STATE(gicv3, latched),
    PB_STATE(gicv3, active),
    PB_STATE(gicv3, level),
    PB_STATE(gicv3, edge),
    PB_STATE_ARRAY(gicv3, priority_banked),
    PB_STATE_ARRAY(gicv3, priority),
    PB_STATE_ARRAY(gicv3, router),
    PB_STATE_ARRAY(gicv3, cpu),
    { 0 },
};

static const pb_region gicv3_regions[] = {
    { "distributor", PB_REGION_REGS, 0x10000, .regs = gicd_regs, .doc = "Distributor" },
    { "redistributor", PB_REGION_REGS, PB_REGION_SIZE(gicv3, redistributor_bytes),
      .frame_bytes = 0x20000, .regs = gicr_regs, .doc = "Redistributor frames, one a processor" },
    { 0 },
};

/* Linux Documentation/devicetree/bindings/interrupt-controller/arm,gic-v3.yaml. */
static bool gicv3_interrupt(void *self, const char *port, uint32_t index, uint32_t *cells)
{
    if (!strcmp(port, "ppi"))
        return gic_fdt_ppi(index % 32, 0, cells);
    return !strcmp(port, "spi") && gic_fdt_spi(index, cells);
}

static bool gicv3_fdt_extra(void *self, const pb_fdt_writer *w, pb_error *error)
{
    const uint32_t one = 1;

    w->cells(w, "#redistributor-regions", &one, 1);
    return true;
}

static const char *const gicv3_compatible[] = { "arm,gic-v3", NULL };

static const pb_fdt_desc gicv3_fdt = {
    .size = sizeof(pb_fdt_desc),
    .node = "intc",
    .compatible = gicv3_compatible,
    .extra = gicv3_fdt_extra,
    .interrupt = gicv3_interrupt,
    .interrupt_cells = 3,
};

static const pb_gap gaps[] = {
    { "LPIs and the Interrupt Translation Service", "feature", "GICD_TYPER.LPIS is 0" },
    { "message-based SPIs", "feature", "GICD_TYPER.MBIS is 0" },
    { "1-of-N routing", "feature", "GICD_TYPER.No1N is 1" },
    { "two security states", "feature", "GICD_CTLR.DS is 1" },
    { "virtual CPU interface", "feature", "ICH_*_EL2" },
    { "legacy operation", "feature", "GICD_CTLR.ARE is 1" },
    { 0 },
};

const pb_device_type gicv3_type = {
    .head = { .size = sizeof(pb_device_type),
              .kind = PB_KIND_DEVICE,
              .name = "v3",
              .doc = "Arm Generic Interrupt Controller version 3",
              .instance_size = sizeof(gicv3),
              PB_SELF(gicv3, self),
              .props = gicv3_props,
              .ports = gicv3_ports,
              .state = gicv3_state,
              .init = gicv3_init,
              .reset = gicv3_reset },
    .regions = gicv3_regions,
    .fdt = &gicv3_fdt,
    .manual = "Arm IHI 0069H",
    .gaps = gaps,
};
