/*
 * DMA handles: core/bus/dma.c.
 */
#include "board.h"

static void reads_and_writes(void)
{
    board b = board_new();
    pb_dma *dma = pb_dma_new(b.space, 0x55);
    probe p = { 0 };
    char text[6] = "";

    add_ram(&b, "ram", 0x1000, 0x1000, 0);
    add_mmio(&b, "doorbell", 0x4000, 0x1000, 0, &p);
    CU_ASSERT_EQUAL(pb_dma_write(dma, 0x1100, "hello", 6), PB_BUS_OK);
    CU_ASSERT_EQUAL(pb_dma_read(dma, 0x1100, text, 6), PB_BUS_OK);
    CU_ASSERT_STRING_EQUAL(text, "hello");
    CU_ASSERT_EQUAL(pb_dma_write(dma, 0x4000, "abcd", 4), PB_BUS_OK);
    CU_ASSERT_EQUAL(p.written[0], 0x64636261);
    CU_ASSERT_EQUAL(p.accesses[0].attrs.requester, 0x55);
    pb_dma_set_requester(dma, 0x66);
    CU_ASSERT_EQUAL(pb_dma_read(dma, 0x4000, text, 4), PB_BUS_OK);
    CU_ASSERT_EQUAL(p.accesses[1].attrs.requester, 0x66);
    CU_ASSERT_EQUAL(pb_dma_read(dma, 0x9000, text, 4), PB_BUS_DECODE);
    pb_dma_free(dma);
    board_free(&b);
}

static void mapping(void)
{
    board b = board_new();
    pb_dma *dma = pb_dma_new(b.space, 0x55);
    probe p = { 0 };
    uint64_t length = 0x1000;
    uint8_t *host;

    add_ram(&b, "ram", 0x1000, 0x1000, 0);
    add_mmio(&b, "device", 0x4000, 0x1000, 0, &p);
    host = pb_dma_map(dma, 0x1ff0, &length, true);
    CU_ASSERT_PTR_NOT_NULL_FATAL(host);
    CU_ASSERT_EQUAL(length, 0x10); /* to the end of the RAM */
    memset(host, 7, 0x10);
    pb_dma_unmap(dma, host, length, 0x10);
    length = 4;
    CU_ASSERT_PTR_NULL(pb_dma_map(dma, 0x4000, &length, false));
    CU_ASSERT_PTR_NULL(pb_dma_map(dma, 0x9000, &length, false));
    pb_dma_free(dma);
    board_free(&b);
}

static void rom_is_mapped_for_reading_only(void)
{
    board b = board_new();
    pb_ram *ram = new_ram(&b, 0x1000);
    pb_dma *dma = pb_dma_new(b.space, 0x55);
    uint64_t length = 4;
    void *host;

    add(b.root, pb_bus_region_new_rom(b.bus, "rom", ram, 0, 0x1000), 0, 0);
    CU_ASSERT_PTR_NULL(pb_dma_map(dma, 0, &length, true));
    host = pb_dma_map(dma, 0, &length, false);
    CU_ASSERT_PTR_NOT_NULL(host);
    pb_dma_unmap(dma, host, length, 0);
    pb_dma_free(dma);
    pb_ram_unref(ram);
    board_free(&b);
}

static void writes_are_noticed(void)
{
    board b = board_new();
    pb_ram *ram = new_ram(&b, 4 * PB_PAGE_SIZE);
    pb_dma *dma = pb_dma_new(b.space, 0x55);
    uint64_t length = 2 * PB_PAGE_SIZE, bitmap = 0;
    const uint32_t *generation;
    uint32_t stamp;
    void *host;

    add(b.root, pb_bus_region_new_ram(b.bus, "ram", ram, 0, 4 * PB_PAGE_SIZE), 0, 0);
    pb_ram_dirty_start(ram, PB_DIRTY_DISPLAY);
    stamp = pb_ram_code_take(ram, 1, &generation);
    pb_ram_code_reads(generation, 0, 4);
    host = pb_dma_map(dma, PB_PAGE_SIZE, &length, true);
    pb_dma_unmap(dma, host, length, 0);
    CU_ASSERT_EQUAL(*generation, stamp); /* nothing was written */
    host = pb_dma_map(dma, PB_PAGE_SIZE, &length, true);
    pb_dma_unmap(dma, host, length, PB_PAGE_SIZE + 1);
    CU_ASSERT_NOT_EQUAL(*generation, stamp);
    CU_ASSERT_EQUAL(pb_ram_dirty_take(ram, PB_DIRTY_DISPLAY, 0, 4 * PB_PAGE_SIZE, &bitmap), 2);
    CU_ASSERT_EQUAL(bitmap, 6);
    stamp = pb_ram_code_take(ram, 3, &generation);
    pb_ram_code_reads(generation, 8, 4);
    CU_ASSERT_EQUAL(pb_dma_write(dma, 3 * PB_PAGE_SIZE + 8, "x", 1), PB_BUS_OK);
    CU_ASSERT_NOT_EQUAL(*generation, stamp);
    pb_dma_free(dma);
    pb_ram_unref(ram);
    board_free(&b);
}

static void a_mapping_outlives_the_map(void)
{
    board b = board_new();
    pb_bus_region *region = add_ram(&b, "ram", 0, 0x1000, 0);
    pb_dma *dma = pb_dma_new(b.space, 0x55);
    uint64_t length = 16;
    char *host = pb_dma_map(dma, 0x100, &length, true);
    char *other = pb_dma_map(dma, 0x100, &length, true); /* the same place twice */

    CU_ASSERT_PTR_EQUAL(host, other);
    pb_bus_region_remove(region);
    expect_map(&b, "");
    memset(host, 1, 16); /* under ASan and the MMU: still mapped */
    pb_dma_unmap(dma, host, 16, 16);
    memset(other, 2, 16);
    pb_dma_free(dma); /* releases what was not unmapped */
    board_free(&b);
}

/* A device whose handler starts DMA that reaches a device that changes the map. */
typedef struct mover {
    pb_dma *dma;
    pb_bus_region *region;
    uint64_t next;
    pb_bus_result inner;
    uint32_t depth;
} mover;

static pb_bus_result mover_write(void *self, const pb_access *access, uint64_t value)
{
    mover *m = self;

    pb_bus_region_move(m->region, m->next);
    m->next += 0x1000;
    if (m->depth++ < 3)
        m->inner = pb_dma_write(m->dma, 0x8000, "again", 5);
    return PB_BUS_OK;
}

static void dma_within_mmio_within_dma(void)
{
    static const pb_mmio_ops ops = { .size = sizeof(pb_mmio_ops), .write = mover_write };
    board b = board_new();
    mover m = { .next = 0x20000 };
    pb_mmio mmio = { .ops = &ops, .self = &m };

    m.region = add_ram(&b, "ram", 0x1000, 0x1000, 0);
    m.dma = pb_dma_new(b.space, 1);
    add(b.root, pb_bus_region_new_mmio(b.bus, "mover", 0x1000, &mmio), 0x8000, 0);
    CU_ASSERT_EQUAL(pb_dma_write(m.dma, 0x8000, "1234567", 7), PB_BUS_OK);
    CU_ASSERT_EQUAL(m.inner, PB_BUS_OK);
    CU_ASSERT_EQUAL(pb_dma_write(m.dma, m.next - 0x1000, "x", 1), PB_BUS_OK);
    pb_dma_free(m.dma);
    board_free(&b);
}

/* A device whose register starts DMA to that same register. */
typedef struct mirror {
    pb_dma *dma;
    uint32_t depth, deepest, refused;
} mirror;

static pb_bus_result mirror_write(void *self, const pb_access *access, uint64_t value)
{
    mirror *m = self;

    m->depth++;
    m->deepest = MAX(m->deepest, m->depth);
    m->refused += pb_dma_write(m->dma, 0x8000, "me", 2) != PB_BUS_OK;
    m->depth--;
    return PB_BUS_OK;
}

static void dma_to_itself_ends(void)
{
    static const pb_mmio_ops ops = { .size = sizeof(pb_mmio_ops), .write = mirror_write };
    board b = board_new();
    mirror m = { 0 };
    pb_mmio mmio = { .ops = &ops, .self = &m };

    m.dma = pb_dma_new(b.space, 1);
    add(b.root, pb_bus_region_new_mmio(b.bus, "mirror", 0x1000, &mmio), 0x8000, 0);
    CU_ASSERT_EQUAL(write_at(&b, 0x8000, 4, 0), PB_BUS_OK);
    CU_ASSERT_EQUAL(m.refused, 1);
    CU_ASSERT(m.deepest > 2 && m.deepest < 20);
    CU_ASSERT_EQUAL(write_at(&b, 0x8000, 4, 0), PB_BUS_OK); /* and again: nothing is left over */
    CU_ASSERT_EQUAL(m.refused, 2);
    pb_dma_free(m.dma);
    board_free(&b);
}

static void requesters(void)
{
    board b = board_new();
    uint32_t first = pb_bus_requester(b.bus);

    CU_ASSERT_NOT_EQUAL(pb_bus_requester(b.bus), first);
    CU_ASSERT(first > 1024); /* not a vCPU's */
    board_free(&b);
}

int main(void)
{
    static const unit_case cases[] = {
        { "reads and writes", reads_and_writes },
        { "mapping", mapping },
        { "ROM is mapped for reading only", rom_is_mapped_for_reading_only },
        { "writes are noticed", writes_are_noticed },
        { "a mapping outlives the map", a_mapping_outlives_the_map },
        { "DMA within MMIO within DMA, and the map moves", dma_within_mmio_within_dma },
        { "DMA to the register that starts it ends", dma_to_itself_ends },
        { "requesters are unique", requesters },
        { 0 },
    };

    return unit_run("bus DMA", cases);
}
