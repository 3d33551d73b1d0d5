#include "toy.h"

enum { REGS, FRAMES, BIG };

static fake_machine *machine;
static pb_instance *instance;
static toy *s;

static void make(void)
{
    machine = toy_machine(&instance);
    CU_ASSERT_FATAL(pb_instance_settle_properties(instance, NULL));
    CU_ASSERT_FATAL(fake_machine_start(machine, false, NULL));
    s = pb_instance_self(instance);
}

static void drop(void)
{
    fake_machine_free(machine);
}

static pb_bus_result access_as(uint32_t region, uint64_t offset, uint32_t size, bool write,
                               uint64_t *value, uint32_t requester)
{
    pb_region_handlers handlers = pb_instance_handlers(instance, region);
    pb_access access = { .offset = offset, .size = size, .attrs.requester = requester };

    return write ? handlers.ops->write(handlers.opaque, &access, *value)
                 : handlers.ops->read(handlers.opaque, &access, value);
}

static uint64_t rd(uint32_t region, uint64_t offset, uint32_t size)
{
    uint64_t value = 0;

    CU_ASSERT_EQUAL(access_as(region, offset, size, false, &value, 0), PB_BUS_OK);
    return value;
}

static void wr(uint32_t region, uint64_t offset, uint32_t size, uint64_t value)
{
    CU_ASSERT_EQUAL(access_as(region, offset, size, true, &value, 0), PB_BUS_OK);
}

static bool logged(const char *text)
{
    bool found = strstr(machine->log->str, text) != NULL;

    g_string_truncate(machine->log, 0);
    return found;
}

static void narrow_and_wide(void)
{
    make();
    CU_ASSERT_EQUAL(rd(REGS, 0, 4), 0x12345678);
    CU_ASSERT_EQUAL(rd(REGS, 1, 1), 0x56);
    CU_ASSERT_EQUAL(rd(REGS, 2, 2), 0x1234);
    wr(REGS, 1, 1, 0xab);
    CU_ASSERT_EQUAL(s->plain, 0x1234ab78);
    wr(REGS, 0, 8, UINT64_C(0xffffffff00000001)); /* PLAIN and MASKED */
    CU_ASSERT_EQUAL(s->plain, 1);
    CU_ASSERT_EQUAL(s->clear, 0x0ff0);
    CU_ASSERT_EQUAL(rd(REGS, 0, 8), UINT64_C(0x00000ff000000001));
    wr(REGS, 0x18, 8, UINT64_C(0x1122334455667788));
    CU_ASSERT_EQUAL(rd(REGS, 0x1c, 4), 0x11223344);
    wr(REGS, 0x1c, 4, 0xaabbccdd);
    CU_ASSERT_EQUAL(s->wide, UINT64_C(0xaabbccdd55667788));
    drop();
}

static void modes(void)
{
    make();
    s->mixed = 0xffffffff;
    CU_ASSERT_EQUAL(rd(REGS, 8, 4), 0xf0f0ffff); /* WO and RAZ read as zero */
    CU_ASSERT_EQUAL(rd(REGS, 8, 4), 0xf000ffff); /* RC was cleared */
    wr(REGS, 8, 4, 0);
    CU_ASSERT_EQUAL(s->mixed & 0xffff, 0xfff0); /* RW cleared; RO, W1C, W1S stay */
    s->mixed = 0;
    wr(REGS, 8, 4, 0x0fffffff);
    CU_ASSERT_EQUAL(s->mixed, 0x000ff00f); /* RW, W1S and WO are stored */
    s->mixed = 0xf00;
    wr(REGS, 9, 1, 0x05); /* W1C by a byte */
    CU_ASSERT_EQUAL(s->mixed, 0xa00);
    drop();
}

static void debug_reads_change_nothing(void)
{
    uint64_t value;

    make();
    CU_ASSERT_EQUAL(access_as(REGS, 0x3c, 4, false, &value, PB_REQUESTER_DEBUG), PB_BUS_OK);
    CU_ASSERT_EQUAL(value, 0xff);
    CU_ASSERT_EQUAL(s->once, 0xff);
    CU_ASSERT_EQUAL(rd(REGS, 0x3c, 1), 0xff);
    CU_ASSERT_EQUAL(s->once, 0);
    drop();
}

static void hooks(void)
{
    make();
    s->set = 0x1111;
    wr(REGS, 0xc, 2, 0x2222);
    CU_ASSERT_EQUAL(s->old, 0x1111);
    CU_ASSERT_EQUAL(s->now, 0x2222);
    CU_ASSERT_EQUAL(s->set, 0x2222);

    wr(REGS, 0x11, 1, 0xaa); /* raw: in its place, not merged, not read */
    CU_ASSERT_EQUAL(s->now, 0xaa00);
    CU_ASSERT_EQUAL(s->old, 0);
    CU_ASSERT_EQUAL(s->reads, 0);

    wr(REGS, 0x14, 1, 0x77); /* merged with what the read hook gives, cut to 16 bits */
    CU_ASSERT_EQUAL(s->reads, 1);
    CU_ASSERT_EQUAL(s->old, 0xff00);
    CU_ASSERT_EQUAL(s->now, 0xff77);
    CU_ASSERT_EQUAL(rd(REGS, 0x14, 4), 0xff01);
    drop();
}

static void arrays(void)
{
    make();
    CU_ASSERT_EQUAL(rd(REGS, 0x20, 8), UINT64_C(0x0007000700070007));
    wr(REGS, 0x26, 2, 0x1234);
    CU_ASSERT_EQUAL(s->row[3], 0x1234);
    CU_ASSERT_EQUAL(rd(REGS, 0x30, 1), 0x22);
    CU_ASSERT_EQUAL(s->access.index, 2);
    CU_ASSERT_EQUAL(s->access.offset, 0x30);
    CU_ASSERT_EQUAL(rd(REGS, 0x2c, 4), 0x11); /* the rest of its word is empty */
    CU_ASSERT_EQUAL(s->access.size, 1);
    CU_ASSERT(!machine->log->len);
    drop();
}

static void shared_addresses(void)
{
    make();
    CU_ASSERT_EQUAL(rd(REGS, 0x34, 1), 0x5a);
    wr(REGS, 0x34, 1, 0x33);
    CU_ASSERT_EQUAL(s->now, 0x33);
    CU_ASSERT_EQUAL(s->narrow, 0x5a);
    drop();
}

static void logs(void)
{
    make();
    CU_ASSERT_EQUAL(rd(REGS, 0x38, 4), 0x99);
    CU_ASSERT(logged("unimp: toy: read of GAP, which is not modelled (Not there)"));
    wr(REGS, 0x38, 4, 1);
    CU_ASSERT(!machine->log->len); /* once */
    CU_ASSERT_EQUAL(rd(REGS, 0x38, 4), 0x99);
    wr(REGS, 8, 4, 1u << 28);
    CU_ASSERT(logged("unimp: toy: write of MIXED.GAP, which is not modelled (Missing)"));
    CU_ASSERT_EQUAL(rd(REGS, 0x80, 4), 0);
    CU_ASSERT(logged("guest: toy: read of 4 bytes at offset 0x80 of regs, where no register is"));
    wr(REGS, 0x84, 1, 9);
    CU_ASSERT(logged("guest: toy: write of 1 bytes at offset 0x84 of regs, where no register is"));
    wr(FRAMES, 0, 4, 1);
    CU_ASSERT(logged("guest: toy: write of 0x1 to ID, which is read-only"));
    drop();
}

static void frames(void)
{
    make();
    CU_ASSERT_EQUAL(rd(FRAMES, 0x30, 4), 0x300);
    CU_ASSERT_EQUAL(s->access.frame, 3);
    CU_ASSERT_EQUAL(s->access.offset, 0);
    drop();
}

static void big_endian(void)
{
    make();
    CU_ASSERT_EQUAL(rd(BIG, 0, 4), 0x12345678);
    CU_ASSERT_EQUAL(rd(BIG, 0, 1), 0x12);
    CU_ASSERT_EQUAL(rd(BIG, 2, 2), 0x5678);
    wr(BIG, 3, 1, 0xff);
    CU_ASSERT_EQUAL(s->plain, 0x123456ff);
    s->clear = 0xabcd;
    CU_ASSERT_EQUAL(rd(BIG, 2, 4), 0x56ffabcd); /* unaligned, across two registers */
    CU_ASSERT_EQUAL(rd(BIG, 0, 8), UINT64_C(0x123456ffabcd0000));
    drop();
}

static void refusals(void)
{
    uint64_t value = 0;

    make();
    CU_ASSERT_EQUAL(access_as(REGS, 2, 4, false, &value, 0), PB_BUS_ERROR);
    CU_ASSERT_EQUAL(access_as(FRAMES, 0, 2, false, &value, 0), PB_BUS_ERROR);
    CU_ASSERT_EQUAL(access_as(FRAMES, 0, 8, true, &value, 0), PB_BUS_ERROR);
    CU_ASSERT_EQUAL(access_as(REGS, 0x100, 1, false, &value, 0), PB_BUS_ERROR);
    CU_ASSERT_EQUAL(access_as(REGS, UINT64_MAX, 1, false, &value, 0), PB_BUS_ERROR);
    CU_ASSERT_EQUAL(access_as(BIG, 0xd, 4, false, &value, 0), PB_BUS_ERROR);
    CU_ASSERT_EQUAL(access_as(REGS, 0, 16, false, &value, 0), PB_BUS_ERROR);
    drop();
}

static void reset(void)
{
    make();
    wr(REGS, 0, 4, 0);
    s->row[2] = 0;
    fake_machine_reset(machine);
    CU_ASSERT_EQUAL(s->plain, 0x12345678);
    CU_ASSERT_EQUAL(s->row[2], 7);
    drop();
}

int main(void)
{
    static const unit_case cases[] = {
        { "narrow and wide accesses", narrow_and_wide },
        { "modes", modes },
        { "debug reads change nothing", debug_reads_change_nothing },
        { "hooks", hooks },
        { "arrays", arrays },
        { "shared addresses", shared_addresses },
        { "logs", logs },
        { "frames", frames },
        { "big-endian", big_endian },
        { "refusals", refusals },
        { "reset", reset },
        { 0 },
    };

    return unit_run("registers", cases);
}
