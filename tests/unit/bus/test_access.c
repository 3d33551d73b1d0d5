/*
 * Accesses, rules, programming: core/bus/access.c.
 */
#include "board.h"

static const uint8_t bytes16[16] = { 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
                                     0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f };

static pb_bus_region *add_device(board *b, uint64_t at, probe *p, uint8_t min, uint8_t max)
{
    pb_mmio mmio = { .ops = &probe_ops, .self = p, .access_min = min, .access_max = max };

    return add(b->root, pb_bus_region_new_mmio(b->bus, "device", 0x100, &mmio), at, 0);
}

static void ram_sizes_and_byte_order(void)
{
    board b = board_new();
    uint64_t value;

    add_ram(&b, "ram", 0x1000, 0x1000, 0);
    CU_ASSERT_EQUAL(write_at(&b, 0x1000, 8, 0x8877665544332211), PB_BUS_OK);
    CU_ASSERT_EQUAL(read_at(&b, 0x1000, 1, &value), PB_BUS_OK);
    CU_ASSERT_EQUAL(value, 0x11);
    CU_ASSERT_EQUAL(read_at(&b, 0x1001, 2, &value), PB_BUS_OK);
    CU_ASSERT_EQUAL(value, 0x3322);
    CU_ASSERT_EQUAL(read_at(&b, 0x1003, 4, &value), PB_BUS_OK);
    CU_ASSERT_EQUAL(value, 0x77665544);
    CU_ASSERT_EQUAL(write_at(&b, 0x1003, 2, 0xabcd), PB_BUS_OK);
    CU_ASSERT_EQUAL(read_at(&b, 0x1000, 8, &value), PB_BUS_OK);
    CU_ASSERT_EQUAL(value, 0x887766abcd332211);
    board_free(&b);
}

static void mmio_sees_offset_size_and_requester(void)
{
    board b = board_new();
    probe p = { .answer = 0x100 };
    uint64_t value;

    add_device(&b, 0x2000, &p, 0, 0);
    CU_ASSERT_EQUAL(read_at(&b, 0x2010, 4, &value), PB_BUS_OK);
    CU_ASSERT_EQUAL(value, 0x110);
    CU_ASSERT_EQUAL(p.accesses[0].offset, 0x10);
    CU_ASSERT_EQUAL(p.accesses[0].size, 4);
    CU_ASSERT_EQUAL(p.accesses[0].attrs.requester, 7);
    CU_ASSERT_EQUAL(write_at(&b, 0x2020, 2, 0xfffff), PB_BUS_OK);
    CU_ASSERT_EQUAL(p.written[1], 0xffff); /* only what the access holds */
    board_free(&b);
}

static void wide_accesses_are_split(void)
{
    board b = board_new();
    probe p = { .answer = 0xa0 };
    uint64_t value;

    add_device(&b, 0x2000, &p, 1, 2);
    CU_ASSERT_EQUAL(read_at(&b, 0x2008, 8, &value), PB_BUS_OK);
    CU_ASSERT_EQUAL(value, 0x00ae00ac00aa00a8);
    CU_ASSERT_EQUAL(p.reads, 4);
    CU_ASSERT_EQUAL(write_at(&b, 0x2000, 4, 0x44332211), PB_BUS_OK);
    CU_ASSERT_EQUAL(p.writes, 2);
    CU_ASSERT_EQUAL(p.written[4], 0x2211);
    CU_ASSERT_EQUAL(p.accesses[5].offset, 2);
    CU_ASSERT_EQUAL(p.written[5], 0x4433);
    board_free(&b);
}

static void exact_accesses_are_not_split(void)
{
    board b = board_new();
    probe p = { 0 };
    pb_reader *reader = pb_bus_device_reader(b.bus);
    uint64_t value;

    add_device(&b, 0x2000, &p, 1, 4);
    pb_reader_enter(reader);
    CU_ASSERT_EQUAL(pb_space_read(b.space, reader, 0x2000, 8, (pb_attrs){ 0 }, true, &value),
                    PB_BUS_ERROR);
    CU_ASSERT_EQUAL(pb_space_write(b.space, reader, 0x2000, 8, (pb_attrs){ 0 }, true, 1),
                    PB_BUS_ERROR);
    CU_ASSERT_EQUAL(p.count, 0);
    CU_ASSERT_EQUAL(pb_space_read(b.space, reader, 0x2000, 4, (pb_attrs){ 0 }, true, &value),
                    PB_BUS_OK);
    pb_reader_leave(reader);
    board_free(&b);
}

static void narrow_accesses_follow_the_rule(void)
{
    static const struct {
        uint8_t rule;
        pb_bus_result result;
        uint64_t value;
    } rows[] = {
        { PB_RULE_ERROR, PB_BUS_ERROR, 0 },
        { PB_RULE_ZEROS, PB_BUS_OK, 0 },
        { PB_RULE_ONES, PB_BUS_OK, 0xffff },
    };

    for (size_t i = 0; i < PB_ARRAY_SIZE(rows); i++) {
        pb_space_rules rules = { .wrong_size = rows[i].rule };
        board b = board_new_with(&rules);
        probe p = { .answer = 5 };
        uint64_t value = 99;

        add_device(&b, 0x2000, &p, 4, 4);
        CU_ASSERT_EQUAL(read_at(&b, 0x2000, 2, &value), rows[i].result);
        CU_ASSERT_EQUAL(value, rows[i].value);
        CU_ASSERT_EQUAL(write_at(&b, 0x2000, 1, 1), rows[i].result);
        CU_ASSERT_EQUAL(read_at(&b, 0x2002, 4, &value), rows[i].result); /* unaligned: 2 + 2 */
        CU_ASSERT_EQUAL(p.count, 0);
        board_free(&b);
    }
}

static void unaligned_accesses_are_split_where_possible(void)
{
    board b = board_new();
    probe p = { .answer = 0 };
    static const struct {
        uint64_t offset;
        uint32_t size;
    } pieces[] = { { 1, 1 }, { 2, 2 }, { 4, 4 }, { 8, 1 } };
    uint64_t value;

    add_device(&b, 0x2000, &p, 1, 8);
    CU_ASSERT_EQUAL(read_at(&b, 0x2001, 8, &value), PB_BUS_OK);
    CU_ASSERT_EQUAL(value, 0x0800000004000201);
    CU_ASSERT_EQUAL(p.count, 4);
    for (uint32_t i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(p.accesses[i].offset, pieces[i].offset);
        CU_ASSERT_EQUAL(p.accesses[i].size, pieces[i].size);
    }
    board_free(&b);
}

static void unaligned_accesses_reach_who_takes_them(void)
{
    board b = board_new();
    probe p = { 0 };
    pb_mmio mmio = { .ops = &probe_ops, .self = &p, .unaligned = true, .access_max = 4 };
    uint64_t value;

    add(b.root, pb_bus_region_new_mmio(b.bus, "device", 0x100, &mmio), 0, 0);
    CU_ASSERT_EQUAL(read_at(&b, 3, 4, &value), PB_BUS_OK);
    CU_ASSERT_EQUAL(p.count, 1);
    CU_ASSERT_EQUAL(p.accesses[0].offset, 3);
    CU_ASSERT_EQUAL(p.accesses[0].size, 4);
    board_free(&b);
}

static void big_endian_devices(void)
{
    board b = board_new();
    probe p = { .answer = 0x11223344 };
    pb_mmio mmio = { .ops = &probe_ops, .self = &p, .big_endian = true, .access_max = 4 };
    uint64_t value;

    add(b.root, pb_bus_region_new_mmio(b.bus, "device", 0x100, &mmio), 0, 0);
    CU_ASSERT_EQUAL(read_at(&b, 0, 4, &value), PB_BUS_OK);
    CU_ASSERT_EQUAL(value, 0x44332211);
    CU_ASSERT_EQUAL(write_at(&b, 0, 8, 0x0102030405060708), PB_BUS_OK);
    CU_ASSERT_EQUAL(p.written[1], 0x08070605);
    CU_ASSERT_EQUAL(p.written[2], 0x04030201);
    board_free(&b);
}

static void errors_of_devices(void)
{
    board b = board_new();
    probe p = { .result = PB_BUS_ERROR };
    uint64_t value;

    add_device(&b, 0, &p, 1, 4);
    CU_ASSERT_EQUAL(read_at(&b, 0, 8, &value), PB_BUS_ERROR);
    CU_ASSERT_EQUAL(p.count, 1); /* the first failure ends it */
    CU_ASSERT_EQUAL(write_at(&b, 0, 4, 1), PB_BUS_ERROR);
    board_free(&b);
}

static void across_ranges(void)
{
    board b = board_new();
    probe p = { .answer = 0xc0 };
    uint64_t value;

    add_ram(&b, "ram", 0, 0x1000, 0);
    add_device(&b, 0x1000, &p, 1, 8);
    CU_ASSERT_EQUAL(write_at(&b, 0xffc, 4, 0x44332211), PB_BUS_OK);
    CU_ASSERT_EQUAL(read_at(&b, 0xffe, 4, &value), PB_BUS_OK);
    CU_ASSERT_EQUAL(value & 0xffff, 0x4433);
    CU_ASSERT_EQUAL(value >> 16, 0x00c0); /* one piece of two bytes at offset 0 */
    CU_ASSERT_EQUAL(read_at(&b, 0x10fe, 4, &value), PB_BUS_DECODE);
    board_free(&b);
}

typedef struct lines {
    uint32_t count;
    char last[200];
} lines;

static void keep_line(void *opaque, const char *text)
{
    lines *l = opaque;

    l->count++;
    g_strlcpy(l->last, text, sizeof(l->last));
}

static void unassigned_by_rule_and_logged(void)
{
    pb_space_rules rules = { .unassigned = PB_RULE_ONES, .log = true };
    board b = board_new_with(&rules);
    lines l = { 0 };
    uint64_t value;

    pb_bus_set_log(b.bus, keep_line, &l);
    CU_ASSERT_EQUAL(read_at(&b, 0xdead0, 2, &value), PB_BUS_OK);
    CU_ASSERT_EQUAL(value, 0xffff);
    CU_ASSERT_EQUAL(l.count, 1);
    CU_ASSERT_STRING_EQUAL(l.last,
                           "memory: read of 2 bytes at 0xdead0 by requester 0x7: nobody answers");
    CU_ASSERT_EQUAL(write_at(&b, 0xdead0, 2, 1), PB_BUS_OK);
    CU_ASSERT_EQUAL(l.count, 2);
    for (int i = 0; i < 10000; i++)
        write_at(&b, 0xdead0, 2, 1);
    CU_ASSERT(l.count < 1000); /* a guest cannot flood the log */
    board_free(&b);
}

static void rom(void)
{
    board b = board_new();
    pb_ram *ram = new_ram(&b, 0x1000);
    uint64_t value;

    add(b.root, pb_bus_region_new_rom(b.bus, "rom", ram, 0, 0x1000), 0x1000, 0);
    CU_ASSERT(pb_space_program(b.space, 0x1ff0, bytes16, 16, "image", NULL));
    CU_ASSERT_EQUAL(write_at(&b, 0x1ff0, 4, 0), PB_BUS_OK);
    CU_ASSERT_EQUAL(read_at(&b, 0x1ff0, 4, &value), PB_BUS_OK);
    CU_ASSERT_EQUAL(value, 0x13121110);
    pb_ram_unref(ram);
    board_free(&b);
}

static void rom_writes_as_errors(void)
{
    pb_space_rules rules = { .rom_write_error = true };
    board b = board_new_with(&rules);
    pb_ram *ram = new_ram(&b, 0x1000);

    add(b.root, pb_bus_region_new_rom(b.bus, "rom", ram, 0, 0x1000), 0, 0);
    CU_ASSERT_EQUAL(write_at(&b, 0, 4, 0), PB_BUS_ERROR);
    pb_ram_unref(ram);
    board_free(&b);
}

static void rom_devices(void)
{
    board b = board_new();
    pb_ram *ram = new_ram(&b, 0x1000);
    probe p = { .answer = 0x77 };
    pb_mmio mmio = { .ops = &probe_ops, .self = &p };
    pb_bus_region *flash = pb_bus_region_new_romd(b.bus, "flash", ram, 0, 0x1000, &mmio);
    uint64_t value;

    add(b.root, flash, 0, 0);
    CU_ASSERT(pb_space_program(b.space, 0, bytes16, 16, "image", NULL));
    CU_ASSERT_EQUAL(read_at(&b, 4, 4, &value), PB_BUS_OK);
    CU_ASSERT_EQUAL(value, 0x17161514);
    CU_ASSERT_EQUAL(p.count, 0);
    CU_ASSERT_EQUAL(write_at(&b, 4, 4, 0x90), PB_BUS_OK);
    CU_ASSERT_EQUAL(p.writes, 1);
    pb_bus_region_set_romd(flash, false);
    CU_ASSERT_EQUAL(read_at(&b, 4, 4, &value), PB_BUS_OK);
    CU_ASSERT_EQUAL(value, 0x7b);
    CU_ASSERT(pb_space_program(b.space, 4, "zz", 2, "image", NULL)); /* in this mode too */
    pb_bus_region_set_romd(flash, true);
    CU_ASSERT_EQUAL(read_at(&b, 4, 4, &value), PB_BUS_OK);
    CU_ASSERT_EQUAL(value, 0x17167a7a);
    pb_ram_unref(ram);
    board_free(&b);
}

static void copying(void)
{
    board b = board_new();
    probe p = { .answer = 0 };
    uint8_t out[32] = { 0 };
    uint64_t done;

    add_ram(&b, "a", 0x1000, 0x1000, 0);
    add_ram(&b, "b", 0x2000, 0x1000, 0);
    add_device(&b, 0x3000, &p, 1, 8);
    CU_ASSERT_EQUAL(pb_space_copy_in(b.space, 0x1ff8, bytes16, 16, (pb_attrs){ 0 }, &done),
                    PB_BUS_OK);
    CU_ASSERT_EQUAL(done, 16);
    CU_ASSERT_EQUAL(pb_space_copy_out(b.space, 0x1ff8, out, 16, (pb_attrs){ 0 }, &done), PB_BUS_OK);
    CU_ASSERT(memcmp(out, bytes16, 16) == 0);
    /* Into the device: one byte of RAM, then aligned accesses. */
    CU_ASSERT_EQUAL(pb_space_copy_in(b.space, 0x2fff, bytes16, 14, (pb_attrs){ 0 }, &done),
                    PB_BUS_OK);
    CU_ASSERT_EQUAL(p.count, 3);
    CU_ASSERT_EQUAL(p.accesses[0].size, 8);
    CU_ASSERT_EQUAL(p.written[0], 0x1817161514131211);
    CU_ASSERT_EQUAL(p.accesses[1].size, 4);
    CU_ASSERT_EQUAL(p.accesses[2].size, 1);
    /* Over the end of what answers. */
    CU_ASSERT_EQUAL(pb_space_copy_out(b.space, 0x30f0, out, 32, (pb_attrs){ 0 }, &done),
                    PB_BUS_DECODE);
    CU_ASSERT_EQUAL(done, 16);
    CU_ASSERT_EQUAL(pb_space_copy_out(b.space, UINT64_MAX - 3, out, 8, (pb_attrs){ 0 }, &done),
                    PB_BUS_DECODE);
    CU_ASSERT_EQUAL(done, 0);
    board_free(&b);
}

static void copying_from_holes_that_read_as_ones(void)
{
    pb_space_rules rules = { .unassigned = PB_RULE_ONES };
    board b = board_new_with(&rules);
    uint8_t out[0x20] = { 0 };

    add_ram(&b, "a", 0x1000, 0x1000, 0);
    CU_ASSERT_EQUAL(pb_space_copy_out(b.space, 0xff0, out, 0x20, (pb_attrs){ 0 }, NULL), PB_BUS_OK);
    CU_ASSERT_EQUAL(out[0], 0xff);
    CU_ASSERT_EQUAL(out[0xf], 0xff);
    CU_ASSERT_EQUAL(out[0x10], 0);
    board_free(&b);
}

static void programming(void)
{
    board b = board_new();
    g_autoptr(GError) error = NULL;
    uint64_t value;

    add_ram(&b, "ram", 0x1000, 0x1000, 0);
    CU_ASSERT_FALSE(pb_space_program(b.space, 0x1ff8, bytes16, 16, "vmlinux", &error));
    CU_ASSERT_STRING_EQUAL(error->message,
                           "vmlinux: 16 bytes at 0x1ff8 do not fit: there is no RAM "
                           "or ROM at 0x2000");
    CU_ASSERT_EQUAL(read_at(&b, 0x1ff8, 8, &value), PB_BUS_OK);
    CU_ASSERT_EQUAL(value, 0); /* nothing was written */
    CU_ASSERT(pb_space_program(b.space, 0x1ff0, bytes16, 16, "vmlinux", NULL));
    CU_ASSERT(pb_space_program(b.space, 0x1ff1, NULL, 14, "vmlinux", NULL)); /* zeros */
    CU_ASSERT_EQUAL(read_at(&b, 0x1ff0, 8, &value), PB_BUS_OK);
    CU_ASSERT_EQUAL(value, bytes16[0]);
    CU_ASSERT_EQUAL(read_at(&b, 0x1ff8, 8, &value), PB_BUS_OK);
    CU_ASSERT_EQUAL(value, (uint64_t)bytes16[15] << 56);
    CU_ASSERT(pb_space_is_ram(b.space, 0x1000, 0x1000));
    CU_ASSERT_FALSE(pb_space_is_ram(b.space, 0x1000, 0x1001));
    CU_ASSERT_FALSE(pb_space_is_ram(b.space, UINT64_MAX, 2));
    board_free(&b);
}

int main(void)
{
    static const unit_case cases[] = {
        { "RAM: sizes and byte order", ram_sizes_and_byte_order },
        { "MMIO sees offset, size and requester", mmio_sees_offset_size_and_requester },
        { "wide accesses are split", wide_accesses_are_split },
        { "exact accesses are not split", exact_accesses_are_not_split },
        { "narrow accesses follow the rule", narrow_accesses_follow_the_rule },
        { "unaligned accesses are split where possible",
          unaligned_accesses_are_split_where_possible },
        { "unaligned accesses reach who takes them", unaligned_accesses_reach_who_takes_them },
        { "big-endian devices", big_endian_devices },
        { "errors of devices", errors_of_devices },
        { "across ranges", across_ranges },
        { "unassigned by rule, and logged", unassigned_by_rule_and_logged },
        { "ROM", rom },
        { "ROM writes as errors", rom_writes_as_errors },
        { "ROM-devices", rom_devices },
        { "copying", copying },
        { "copying from holes that read as ones", copying_from_holes_that_read_as_ones },
        { "programming", programming },
        { 0 },
    };

    return unit_run("bus accesses", cases);
}
