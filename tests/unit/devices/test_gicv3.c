/*
 * System registers of the GICv3 (plugins/dev-gic/gicv3.c). Arm IHI 0069H, chapters 4 and 12.
 */
#include "board.h"

#include <patchbay/arm/gic.h>

enum { DISTRIBUTOR = 0, REDISTRIBUTOR = 1 };
enum {
    GICD_CTLR = 0,
    GICD_IGROUPR1 = 0x84,
    GICD_ISENABLER1 = 0x104,
    GICD_ISPENDR1 = 0x204,
    GICD_ISACTIVER1 = 0x304,
    GICD_ICACTIVER1 = 0x384,
    GICD_IPRIORITYR8 = 0x420,
    GICD_ICFGR2 = 0xc08,
    GICD_IROUTER32 = 0x6100
};
enum {
    FRAME = 0x20000,
    GICR_WAKER = 0x14,
    GICR_IGROUPR0 = 0x10080,
    GICR_ISENABLER0 = 0x10100,
    GICR_ISPENDR0 = 0x10200,
    GICR_IPRIORITYR = 0x10400
};
enum {
    PMR = PB_ARM_SYSREG(3, 0, 4, 6, 0),
    IAR0 = PB_ARM_SYSREG(3, 0, 12, 8, 0),
    EOIR0 = PB_ARM_SYSREG(3, 0, 12, 8, 1),
    HPPIR0 = PB_ARM_SYSREG(3, 0, 12, 8, 2),
    BPR0 = PB_ARM_SYSREG(3, 0, 12, 8, 3),
    AP0R0 = PB_ARM_SYSREG(3, 0, 12, 8, 4),
    AP0R1 = PB_ARM_SYSREG(3, 0, 12, 8, 5),
    AP1R0 = PB_ARM_SYSREG(3, 0, 12, 9, 0),
    DEACTIVATE = PB_ARM_SYSREG(3, 0, 12, 11, 1),
    RPR = PB_ARM_SYSREG(3, 0, 12, 11, 3),
    SGI1R = PB_ARM_SYSREG(3, 0, 12, 11, 5),
    SGI0R = PB_ARM_SYSREG(3, 0, 12, 11, 7),
    IAR1 = PB_ARM_SYSREG(3, 0, 12, 12, 0),
    EOIR1 = PB_ARM_SYSREG(3, 0, 12, 12, 1),
    HPPIR1 = PB_ARM_SYSREG(3, 0, 12, 12, 2),
    BPR1 = PB_ARM_SYSREG(3, 0, 12, 12, 3),
    CTLR = PB_ARM_SYSREG(3, 0, 12, 12, 4),
    SRE = PB_ARM_SYSREG(3, 0, 12, 12, 5),
    IGRPEN0 = PB_ARM_SYSREG(3, 0, 12, 12, 6),
    IGRPEN1 = PB_ARM_SYSREG(3, 0, 12, 12, 7),
    CTLR_EL3 = PB_ARM_SYSREG(3, 6, 12, 12, 4),
};

#define CPUS 4

typedef struct gic {
    board b;
    pb_link cpu[CPUS];
} gic;

static bool access_register(gic *g, uint32_t cpu, uint32_t reg, bool write, uint64_t *value)
{
    const pb_arm_gic_cpu_iface *iface = g->cpu[cpu].iface;
    const pb_arm_gic_context context = { .el = 1 };

    return write ? iface->write(g->cpu[cpu].self, g->cpu[cpu].index, &context, reg, *value)
                 : iface->read(g->cpu[cpu].self, g->cpu[cpu].index, &context, reg, value);
}

static uint64_t mrs(gic *g, uint32_t cpu, uint32_t reg)
{
    uint64_t value = 0;

    CU_ASSERT(access_register(g, cpu, reg, false, &value));
    return value;
}

static void msr(gic *g, uint32_t cpu, uint32_t reg, uint64_t value)
{
    CU_ASSERT(access_register(g, cpu, reg, true, &value));
}

static gic gic_new(void)
{
    static const char *const properties[] = { "cpus", "4", "spis", "64", "cluster", "2", NULL };
    gic g = { .b = board_new("gic/v3", properties) };

    for (uint32_t i = 0; i < CPUS; i++) {
        g_autofree char *name = g_strdup_printf("cpu-interface[%u]", i);

        g.cpu[i] = board_attach(&g.b, name, NULL, NULL);
    }
    board_start(&g.b);
    return g;
}

static void gic_free(gic *g)
{
    board_free(&g->b);
}

/* As an operating system sets it up: all in group 1, SPIs to processor 0 at priority 0xa0. */
static gic gic_new_running(void)
{
    gic g = gic_new();

    board_write(&g.b, DISTRIBUTOR, GICD_CTLR, 4, 3);
    board_write(&g.b, DISTRIBUTOR, GICD_IGROUPR1, 4, UINT32_MAX);
    board_write(&g.b, DISTRIBUTOR, GICD_IPRIORITYR8, 4, 0xa0a0a0a0);
    board_write(&g.b, DISTRIBUTOR, GICD_ISENABLER1, 4, UINT32_MAX);
    for (uint32_t cpu = 0; cpu < CPUS; cpu++) {
        board_write(&g.b, REDISTRIBUTOR, cpu * FRAME + GICR_IGROUPR0, 4, UINT32_MAX);
        board_write(&g.b, REDISTRIBUTOR, cpu * FRAME + GICR_ISENABLER0, 4, UINT32_MAX);
        msr(&g, cpu, PMR, 0xff);
        msr(&g, cpu, IGRPEN1, 1);
    }
    return g;
}

static void drive(gic *g, uint32_t spi, bool level)
{
    g_autofree char *name = g_strdup_printf("spi[%u]", spi);

    pb_line_set(&board_end(&g->b, name)->line, level);
}

static bool irq(gic *g, uint32_t cpu)
{
    g_autofree char *name = g_strdup_printf("irq[%u]", cpu);

    return board_end(&g->b, name)->level;
}

static bool fiq(gic *g, uint32_t cpu)
{
    g_autofree char *name = g_strdup_printf("fiq[%u]", cpu);

    return board_end(&g->b, name)->level;
}

static void reset_values(void)
{
    gic g = gic_new();
    uint64_t value;

    CU_ASSERT_EQUAL(mrs(&g, 0, PMR), 0);
    CU_ASSERT_EQUAL(mrs(&g, 0, RPR), 0xff);
    CU_ASSERT_EQUAL(mrs(&g, 0, BPR0), 2);
    CU_ASSERT_EQUAL(mrs(&g, 0, BPR1), 3);
    CU_ASSERT_EQUAL(mrs(&g, 0, CTLR), 0x8400); /* A3V, five priority bits */
    CU_ASSERT_EQUAL(mrs(&g, 0, SRE), 7);
    CU_ASSERT_EQUAL(mrs(&g, 0, IGRPEN0), 0);
    CU_ASSERT_EQUAL(mrs(&g, 0, IGRPEN1), 0);
    CU_ASSERT_EQUAL(mrs(&g, 0, IAR1), 1023);
    CU_ASSERT_EQUAL(mrs(&g, 0, HPPIR1), 1023);
    CU_ASSERT_FALSE(access_register(&g, 0, AP0R1, false, &value)); /* six bits would have it */
    CU_ASSERT_FALSE(access_register(&g, 0, IAR1, true, &value));   /* read-only */
    CU_ASSERT_FALSE(access_register(&g, 0, EOIR1, false, &value)); /* write-only */
    gic_free(&g);
}

/* How Linux finds out the number of priority bits and whether group 0 is its own. */
static void priority_mask(void)
{
    gic g = gic_new();

    msr(&g, 0, PMR, 0xff);
    CU_ASSERT_EQUAL(mrs(&g, 0, PMR), 0xf8);
    msr(&g, 0, PMR, 8);
    CU_ASSERT_EQUAL(mrs(&g, 0, PMR), 8);
    gic_free(&g);
}

static void binary_points(void)
{
    gic g = gic_new();

    msr(&g, 0, BPR0, 0);
    msr(&g, 0, BPR1, 0);
    CU_ASSERT_EQUAL(mrs(&g, 0, BPR0), 2);
    CU_ASSERT_EQUAL(mrs(&g, 0, BPR1), 3);
    msr(&g, 0, BPR0, 5);
    msr(&g, 0, BPR1, 6);
    CU_ASSERT_EQUAL(mrs(&g, 0, BPR1), 6);
    msr(&g, 0, CTLR, 1); /* CBPR */
    CU_ASSERT_EQUAL(mrs(&g, 0, BPR1), 6);
    msr(&g, 0, BPR0, 7);
    CU_ASSERT_EQUAL(mrs(&g, 0, BPR1), 7); /* saturates */
    msr(&g, 0, BPR1, 3);                  /* ignored */
    msr(&g, 0, CTLR, 0);
    CU_ASSERT_EQUAL(mrs(&g, 0, BPR1), 6);
    gic_free(&g);
}

static void control_at_el3(void)
{
    gic g = gic_new();

    msr(&g, 0, CTLR, 3);
    CU_ASSERT_EQUAL(mrs(&g, 0, CTLR_EL3), 0x841f);
    msr(&g, 0, CTLR_EL3, 0x10);
    CU_ASSERT_EQUAL(mrs(&g, 0, CTLR), 0x8402);
    msr(&g, 0, CTLR_EL3, 2);
    CU_ASSERT_EQUAL(mrs(&g, 0, CTLR), 0x8401);
    gic_free(&g);
}

static void level_sensitive(void)
{
    gic g = gic_new_running();

    drive(&g, 3, true);
    CU_ASSERT(irq(&g, 0));
    CU_ASSERT_FALSE(irq(&g, 1));
    CU_ASSERT_FALSE(fiq(&g, 0));
    CU_ASSERT_EQUAL(mrs(&g, 0, HPPIR1), 35);
    CU_ASSERT_EQUAL(mrs(&g, 0, HPPIR0), 1023);
    CU_ASSERT_EQUAL(mrs(&g, 0, IAR0), 1023); /* the other group's register takes nothing */
    CU_ASSERT_EQUAL(mrs(&g, 0, IAR1), 35);
    CU_ASSERT_EQUAL(mrs(&g, 0, RPR), 0xa0);
    CU_ASSERT_EQUAL(mrs(&g, 0, AP1R0), 1u << 20);
    CU_ASSERT_EQUAL(mrs(&g, 0, AP0R0), 0);
    CU_ASSERT_FALSE(irq(&g, 0));
    msr(&g, 0, EOIR1, 35);
    CU_ASSERT(irq(&g, 0)); /* the line is still high */
    CU_ASSERT_EQUAL(mrs(&g, 0, IAR1), 35);
    drive(&g, 3, false);
    msr(&g, 0, EOIR1, 35);
    CU_ASSERT_FALSE(irq(&g, 0));
    CU_ASSERT_EQUAL(mrs(&g, 0, RPR), 0xff);
    gic_free(&g);
}

static void edge_triggered(void)
{
    gic g = gic_new_running();

    board_write(&g.b, DISTRIBUTOR, GICD_ICFGR2, 4, 2);
    drive(&g, 0, true);
    drive(&g, 0, false);
    CU_ASSERT(irq(&g, 0));
    CU_ASSERT_EQUAL(mrs(&g, 0, IAR1), 32);
    drive(&g, 0, true); /* the next edge waits */
    CU_ASSERT_FALSE(irq(&g, 0));
    msr(&g, 0, EOIR1, 32);
    CU_ASSERT_EQUAL(mrs(&g, 0, IAR1), 32);
    msr(&g, 0, EOIR1, 32);
    CU_ASSERT_FALSE(irq(&g, 0));
    gic_free(&g);
}

/* Level or edge, pending before or after: a new route is followed at once. */
static void routing(void)
{
    gic g = gic_new_running();

    board_write(&g.b, DISTRIBUTOR, GICD_ICFGR2, 4, 2); /* 32: edge, 33: level */
    drive(&g, 0, true);
    drive(&g, 0, false);
    drive(&g, 1, true);
    CU_ASSERT(irq(&g, 0));
    board_write(&g.b, DISTRIBUTOR, GICD_IROUTER32, 8, 0x101);     /* the fourth processor */
    board_write(&g.b, DISTRIBUTOR, GICD_IROUTER32 + 8, 8, 0x001); /* the second */
    CU_ASSERT_FALSE(irq(&g, 0));
    CU_ASSERT(irq(&g, 1));
    CU_ASSERT_FALSE(irq(&g, 2));
    CU_ASSERT(irq(&g, 3));
    CU_ASSERT_EQUAL(mrs(&g, 3, IAR1), 32);
    drive(&g, 1, false);
    CU_ASSERT_FALSE(irq(&g, 1));
    drive(&g, 1, true);
    CU_ASSERT_EQUAL(mrs(&g, 1, IAR1), 33);
    board_write(&g.b, DISTRIBUTOR, GICD_IROUTER32 + 8, 8, 0x100); /* while it is active */
    CU_ASSERT_FALSE(irq(&g, 2));
    msr(&g, 1, EOIR1, 33);
    CU_ASSERT(irq(&g, 2));
    board_write(&g.b, DISTRIBUTOR, GICD_IROUTER32 + 8, 8, 0x102); /* nobody */
    CU_ASSERT_FALSE(irq(&g, 2));
    board_write(&g.b, DISTRIBUTOR, GICD_IROUTER32 + 8, 8, 0x300); /* nor there */
    board_write(&g.b, DISTRIBUTOR, GICD_IROUTER32 + 8, 8, UINT64_C(0x100000000));
    for (uint32_t cpu = 0; cpu < CPUS; cpu++)
        CU_ASSERT_FALSE(irq(&g, cpu));
    drive(&g, 1, false);
    drive(&g, 1, true); /* goes nowhere */
    gic_free(&g);
}

static void preemption(void)
{
    gic g = gic_new_running();

    board_write(&g.b, DISTRIBUTOR, GICD_IPRIORITYR8, 4, 0x4880c0);
    for (uint32_t i = 0; i < 3; i++) {
        board_write(&g.b, DISTRIBUTOR, GICD_ISPENDR1, 4, 1u << i);
        CU_ASSERT(irq(&g, 0));
        CU_ASSERT_EQUAL(mrs(&g, 0, IAR1), 32 + i);
    }
    CU_ASSERT_EQUAL(mrs(&g, 0, RPR), 0x48);
    CU_ASSERT_EQUAL(mrs(&g, 0, AP1R0), 1u << 9 | 1u << 16 | 1u << 24);
    CU_ASSERT_EQUAL(board_read(&g.b, DISTRIBUTOR, GICD_ISACTIVER1, 4), 7);
    msr(&g, 0, EOIR1, 34);
    CU_ASSERT_EQUAL(mrs(&g, 0, RPR), 0x80);
    msr(&g, 0, EOIR1, 33);
    CU_ASSERT_EQUAL(mrs(&g, 0, RPR), 0xc0);
    msr(&g, 0, EOIR1, 32);
    CU_ASSERT_EQUAL(mrs(&g, 0, RPR), 0xff);
    CU_ASSERT_EQUAL(board_read(&g.b, DISTRIBUTOR, GICD_ISACTIVER1, 4), 0);

    msr(&g, 0, BPR1, 7); /* one bit for preemption: [7] */
    board_write(&g.b, DISTRIBUTOR, GICD_ISPENDR1, 4, 2);
    CU_ASSERT_EQUAL(mrs(&g, 0, IAR1), 33);
    CU_ASSERT_EQUAL(mrs(&g, 0, RPR), 0x80);
    board_write(&g.b, DISTRIBUTOR, GICD_ISPENDR1, 4, 1);
    CU_ASSERT_FALSE(irq(&g, 0)); /* 0xc0 too has that bit */
    board_write(&g.b, DISTRIBUTOR, GICD_ISPENDR1, 4, 4);
    CU_ASSERT_EQUAL(mrs(&g, 0, IAR1), 34);
    CU_ASSERT_EQUAL(mrs(&g, 0, RPR), 0);
    gic_free(&g);
}

static void groups(void)
{
    gic g = gic_new_running();

    board_write(&g.b, DISTRIBUTOR, GICD_IGROUPR1, 4, 2);
    board_write(&g.b, DISTRIBUTOR, GICD_IPRIORITYR8, 4, 0x8040);
    board_write(&g.b, DISTRIBUTOR, GICD_ISPENDR1, 4, 3);
    CU_ASSERT(irq(&g, 0)); /* group 0 is not enabled, and does not hide group 1 */
    CU_ASSERT_FALSE(fiq(&g, 0));
    msr(&g, 0, IGRPEN0, 1);
    CU_ASSERT(fiq(&g, 0));
    CU_ASSERT_FALSE(irq(&g, 0));
    CU_ASSERT_EQUAL(mrs(&g, 0, IAR1), 1023);
    CU_ASSERT_EQUAL(mrs(&g, 0, IAR0), 32);
    CU_ASSERT_EQUAL(mrs(&g, 0, AP0R0), 1u << 8);
    CU_ASSERT_FALSE(irq(&g, 0)); /* 0x80 does not preempt 0x40 */
    msr(&g, 0, EOIR0, 32);
    CU_ASSERT(irq(&g, 0));
    msr(&g, 0, IGRPEN1, 0);
    CU_ASSERT_FALSE(irq(&g, 0));
    gic_free(&g);
}

static void split_end(void)
{
    gic g = gic_new_running();

    msr(&g, 0, CTLR, 2); /* EOImode */
    drive(&g, 0, true);
    CU_ASSERT_EQUAL(mrs(&g, 0, IAR1), 32);
    msr(&g, 0, EOIR1, 32);
    CU_ASSERT_EQUAL(mrs(&g, 0, RPR), 0xff);
    CU_ASSERT_FALSE(irq(&g, 0));
    CU_ASSERT_EQUAL(board_read(&g.b, DISTRIBUTOR, GICD_ISACTIVER1, 4), 1);
    msr(&g, 1, CTLR, 2);
    msr(&g, 1, DEACTIVATE, 32); /* by another processor: the active bit of an SPI is shared */
    CU_ASSERT_EQUAL(board_read(&g.b, DISTRIBUTOR, GICD_ISACTIVER1, 4), 0);
    CU_ASSERT(irq(&g, 0));
    CU_ASSERT_EQUAL(mrs(&g, 0, IAR1), 32);
    msr(&g, 1, CTLR, 0);
    msr(&g, 1, DEACTIVATE, 32);
    CU_ASSERT_EQUAL(board_read(&g.b, DISTRIBUTOR, GICD_ISACTIVER1, 4), 1);
    gic_free(&g);
}

static void numbers_that_do_not_exist(void)
{
    gic g = gic_new_running();
    static const uint32_t ids[] = { 96, 500, 1019, 1020, 1023, 1024, 8192, 0xffffff };

    drive(&g, 0, true);
    CU_ASSERT_EQUAL(mrs(&g, 0, IAR1), 32);
    msr(&g, 0, CTLR, 2);
    for (size_t i = 0; i < G_N_ELEMENTS(ids); i++) {
        msr(&g, 0, EOIR1, ids[i]);
        msr(&g, 0, EOIR0, ids[i]);
        msr(&g, 0, DEACTIVATE, ids[i]);
    }
    CU_ASSERT_EQUAL(mrs(&g, 0, RPR), 0xa0);
    gic_free(&g);
}

/* Aff1 in 23:16, INTID in 27:24, IRM in bit 40, RS in 47:44, the list in 15:0. */
static void software_generated(void)
{
    gic g = gic_new_running();

    msr(&g, 0, SGI1R, UINT64_C(5) << 24 | 2); /* the second of the first cluster */
    CU_ASSERT(irq(&g, 1));
    CU_ASSERT_FALSE(irq(&g, 0) || irq(&g, 2) || irq(&g, 3));
    CU_ASSERT_EQUAL(mrs(&g, 1, IAR1), 5);
    msr(&g, 1, EOIR1, 5);

    msr(&g, 0, SGI1R, UINT64_C(6) << 24 | 1 << 16 | 3); /* both of the second */
    CU_ASSERT(irq(&g, 2) && irq(&g, 3));
    CU_ASSERT_FALSE(irq(&g, 0) || irq(&g, 1));
    CU_ASSERT_EQUAL(mrs(&g, 2, IAR1), 6);
    CU_ASSERT_EQUAL(mrs(&g, 3, IAR1), 6);
    msr(&g, 2, EOIR1, 6);
    msr(&g, 3, EOIR1, 6);

    msr(&g, 2, SGI1R, UINT64_C(1) << 40 | UINT64_C(15) << 24); /* all but itself */
    CU_ASSERT(irq(&g, 0) && irq(&g, 1) && irq(&g, 3));
    CU_ASSERT_FALSE(irq(&g, 2));
    for (uint32_t cpu = 0; cpu < CPUS; cpu++) {
        CU_ASSERT_EQUAL(mrs(&g, cpu, IAR1), cpu == 2 ? 1023 : 15);
        msr(&g, cpu, EOIR1, 15);
    }

    msr(&g, 0, SGI1R, UINT64_C(1) << 44 | 0xffff); /* processors 16 and up of the cluster */
    msr(&g, 0, SGI1R, 9 << 16 | 0xffff);           /* clusters that are not there */
    msr(&g, 0, SGI1R, UINT64_C(1) << 32 | 0xffff);
    msr(&g, 0, SGI1R, UINT64_C(1) << 48 | 0xffff);
    msr(&g, 0, SGI0R, 0xffff); /* the other group */
    for (uint32_t cpu = 0; cpu < CPUS; cpu++)
        CU_ASSERT_FALSE(irq(&g, cpu) || fiq(&g, cpu));
    gic_free(&g);
}

static void private_peripherals(void)
{
    gic g = gic_new_running();
    fake_end *timer = board_end(&g.b, "ppi[59]"); /* 27 of the second processor */

    pb_line_set(&timer->line, true);
    CU_ASSERT(irq(&g, 1));
    CU_ASSERT_FALSE(irq(&g, 0));
    CU_ASSERT_EQUAL(mrs(&g, 1, IAR1), 27);
    pb_line_set(&timer->line, false);
    msr(&g, 1, EOIR1, 27);
    CU_ASSERT_FALSE(irq(&g, 1));
    pb_line_set(&board_end(&g.b, "ppi[3]")->line, true); /* an SGI's number is no input */
    CU_ASSERT_FALSE(irq(&g, 0));
    gic_free(&g);
}

static void sleep_holds_back(void)
{
    gic g = gic_new_running();

    drive(&g, 0, true);
    board_write(&g.b, REDISTRIBUTOR, GICR_WAKER, 4, 2);
    CU_ASSERT_FALSE(irq(&g, 0));
    CU_ASSERT_EQUAL(mrs(&g, 0, IAR1), 1023);
    board_write(&g.b, REDISTRIBUTOR, GICR_WAKER, 4, 0);
    CU_ASSERT(irq(&g, 0));
    gic_free(&g);
}

/* Saved while an interrupt is active and another waits, the other machine goes on the same way. */
static void snapshot(void)
{
    gic g = gic_new_running(), h = gic_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) state = NULL;

    board_write(&g.b, DISTRIBUTOR, GICD_IPRIORITYR8, 4, 0x20a0);
    drive(&g, 0, true);
    CU_ASSERT_EQUAL(mrs(&g, 0, IAR1), 32);
    board_write(&g.b, DISTRIBUTOR, GICD_ISPENDR1, 4, 2);
    state = g_variant_ref_sink(pb_instance_save(g.b.device));
    CU_ASSERT(pb_instance_load(h.b.device, state, &error));
    CU_ASSERT_EQUAL(mrs(&h, 0, RPR), 0xa0);
    CU_ASSERT_EQUAL(mrs(&h, 0, IAR1), 33);
    CU_ASSERT_EQUAL(mrs(&h, 0, RPR), 0x20);
    msr(&h, 0, EOIR1, 33);
    msr(&h, 0, EOIR1, 32);
    CU_ASSERT_EQUAL(mrs(&h, 0, IAR1), 32); /* its level was saved too */
    gic_free(&g);
    gic_free(&h);
}

static void a_small_region_is_refused(void)
{
    static const char *const properties[] = { "cpus", "2", "redistributor-bytes", "0x20000", NULL };
    board b = board_new("gic/v3", properties);
    g_autoptr(GError) error = NULL;

    CU_ASSERT_FALSE(fake_machine_start(b.machine, false, &error));
    CU_ASSERT_PTR_NOT_NULL_FATAL(
        strstr(error->message, "redistributor-bytes is 0x20000, but 2 processors need 0x40000"));
    board_free(&b);
}

int main(void)
{
    static const unit_case cases[] = {
        { "reset values", reset_values },
        { "priority mask", priority_mask },
        { "binary points", binary_points },
        { "ICC_CTLR_EL3", control_at_el3 },
        { "level-sensitive SPI", level_sensitive },
        { "edge-triggered SPI", edge_triggered },
        { "routing", routing },
        { "preemption and several active priorities", preemption },
        { "groups", groups },
        { "EOImode", split_end },
        { "interrupts that do not exist", numbers_that_do_not_exist },
        { "SGIs", software_generated },
        { "PPIs", private_peripherals },
        { "a sleeping redistributor", sleep_holds_back },
        { "snapshot", snapshot },
        { "a region that is too small", a_small_region_is_refused },
        { 0 },
    };

    return unit_run("GICv3 system registers", cases);
}
