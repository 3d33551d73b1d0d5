/* The TLB, and changes of the memory map: core/vcpu/tlb.c. */
#include "tlb.h"

/* ---- filling ----------------------------------------------------------------------------------------------- */

static bool table_in_device;

static bool walk_with_table(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                            pb_guest_fault *fault)
{
    const pb_attrs attrs = { .requester = vcpu->index };
    uint64_t value;

    if (request->gva >= window(32)) {
        *fault = (pb_guest_fault){ .kind = PB_FAULT_WALK };
        return false;
    }
    if (vcpu->ops->phys_read(vcpu, table_in_device ? DEVICE : 0, attrs, 4, &value) != PB_BUS_OK)
        return false;
    out->prot = request->gva < window(16) ? PB_PROT_READ | PB_PROT_WRITE : PB_PROT_READ;
    out->gpa = request->gva - WINDOW;
    if (request->gva == window(20))
        out->gpa = DEVICE;
    return true;
}

static void filling(void)
{
    const uint32_t attr = LOG2(3), aligned = LOG2(3) | PB_MEM_ALIGN_LOG2(3);
    bench b;
    pb_vcpu *v;

    init(&b, 1);
    b.walk = walk_with_table;
    table_in_device = false;
    v = b.vcpu[0];
    CU_ASSERT(v->ops->tlb_fill(v, window(1), attr, false));
    CU_ASSERT_EQUAL(v->tlb[0]->tag_read[1], window(1));
    CU_ASSERT_EQUAL(v->tlb[0]->tag_write[1], pb_tlb_invalid(1));
    CU_ASSERT_FALSE(v->ops->tlb_fill(v, window(1), attr, false)); /* that was not what is missing */
    CU_ASSERT(v->ops->tlb_fill(v, window(1), attr, true));
    CU_ASSERT_EQUAL(v->tlb[0]->tag_write[1], window(1));
    CU_ASSERT_FALSE(v->ops->tlb_fill(v, window(2) - 4, attr, false)); /* crosses */
    CU_ASSERT_FALSE(v->ops->tlb_fill(v, window(3) + 4, aligned, false));
    CU_ASSERT(v->ops->tlb_fill(v, window(17), attr, false));
    CU_ASSERT_FALSE(v->ops->tlb_fill(v, window(17), attr, true));  /* read-only */
    CU_ASSERT_FALSE(v->ops->tlb_fill(v, window(33), attr, false)); /* nothing there */
    CU_ASSERT_FALSE(v->ops->tlb_fill(v, window(20), attr, false)); /* a device */
    ask_code(v, 18);
    CU_ASSERT_EQUAL(b.device_reads, 0);
    table_in_device = true;
    CU_ASSERT_FALSE(v->ops->tlb_fill(v, window(4), attr, false));
    CU_ASSERT_EQUAL(b.device_reads, 0);
    CU_ASSERT_EQUAL(load(v, window(4), LOG2(0)), 4); /* the access itself may */
    CU_ASSERT_EQUAL(b.device_reads, 1);
    bench_finish(&b);
}

/* What must be noticed is not filled: stores to code, to pages whose changes are logged. */
static void filling_of_traps(void)
{
    uint64_t dirty = 0;
    bench b;
    pb_vcpu *v;

    init(&b, 1);
    v = b.vcpu[0];
    ask_code(v, 5);
    CU_ASSERT(v->ops->tlb_fill(v, window(5), LOG2(0), false));
    CU_ASSERT_FALSE(v->ops->tlb_fill(v, window(5), LOG2(0), true));
    store(v, window(5), LOG2(0), 1); /* data again */
    CU_ASSERT_EQUAL(v->tlb[0]->tag_write[5], window(5));
    pb_ram_dirty_start(b.ram, PB_DIRTY_TOOL);
    CU_ASSERT_EQUAL(v->tlb[0]->tag_write[5], pb_tlb_invalid(5));
    CU_ASSERT_FALSE(v->ops->tlb_fill(v, window(5), LOG2(0), true));
    store(v, window(5), LOG2(0), 1);
    CU_ASSERT_EQUAL(pb_ram_dirty_take(b.ram, PB_DIRTY_TOOL, 5 * PB_PAGE_SIZE, PB_PAGE_SIZE, &dirty),
                    1);
    pb_ram_dirty_stop(b.ram, PB_DIRTY_TOOL);
    CU_ASSERT(v->ops->tlb_fill(v, window(5), LOG2(0), true));
    bench_finish(&b);
}

/* A mapping of less than a page, as of a page with watchpoints: every access is translated. */
static void parts_of_pages(void)
{
    bench b;
    pb_vcpu *v;

    init_spaces(&b);
    v = b.vcpu[0];
    mapping_bytes = PB_PAGE_SIZE / 2;
    for (uint32_t i = 0; i < 3; i++) {
        CU_ASSERT_FALSE(v->ops->tlb_fill(v, window(6), LOG2(0), i & 1));
        CU_ASSERT_EQUAL(seen(v, 6), 6);
        store(v, window(6) + 1, LOG2(0), i);
        CU_ASSERT_EQUAL(walks, 3 * (i + 1));
        CU_ASSERT_EQUAL(v->tlb[0]->tag_read[6], pb_tlb_invalid(6));
    }
    bench_finish(&b);
}

/* What emitted code would find of a page in the second level; null: nothing. */
static const pb_tlb2_entry *in_second(const pb_vcpu *v, uint64_t gva)
{
    const pb_tlb_refill *refill = v->refill[0];
    uint64_t page = gva >> PB_PAGE_BITS;

    for (uint32_t k = 0; k < 2; k++) {
        uint64_t set = (page ^ page >> PB_TLB2_BITS ^ refill->salt[k]) & refill->set_mask;

        for (uint32_t way = 0; way < PB_TLB2_WAYS; way++) {
            if (refill->second->tag[set][way] == (page << PB_PAGE_BITS | refill->space[k]))
                return &refill->second->entry[set][way];
        }
    }
    return NULL;
}

static void what_emitted_code_finds(void)
{
    bench b;
    pb_vcpu *v;
    const pb_tlb2_entry *entry;

    init_spaces(&b);
    v = b.vcpu[0];
    CU_ASSERT_PTR_NULL(v->refill[0]);
    go(v, 0, 3);
    seen(v, 2);
    entry = in_second(v, window(2));
    CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
    CU_ASSERT_EQUAL(entry->plain, (uintptr_t)(pb_ram_host(b.ram) + 5 * PB_PAGE_SIZE) |
                                      PB_TLB2_READ | PB_TLB2_WRITE);
    CU_ASSERT_NOT_EQUAL(*entry->tagged, PB_TLB2_TAGGED); /* nobody wrote yet */
    store(v, window(2), LOG2(0), 1);
    CU_ASSERT_EQUAL(*entry->tagged, PB_TLB2_TAGGED);
    ask_code(v, 2);
    CU_ASSERT_NOT_EQUAL(*entry->tagged, PB_TLB2_TAGGED);
    CU_ASSERT_EQUAL(v->refill[0]->touched[0], PB_TLB_TOUCHED_LOCAL);
    seen(v, 40);
    CU_ASSERT_EQUAL(v->refill[0]->touched[5], PB_TLB_TOUCHED_GLOBAL);
    load(v, DEVICE, LOG2(2)); /* in no page of the window: by_space() leaves it where it is */
    entry = in_second(v, DEVICE);
    CU_ASSERT(entry && entry->plain == 0);
    go(v, 0, 4);
    CU_ASSERT_PTR_NULL(in_second(v, window(2)));
    CU_ASSERT_PTR_NOT_NULL(in_second(v, window(40)));
    CU_ASSERT_EQUAL(v->tlb[0]->tag_read[2], pb_tlb_invalid(2));
    CU_ASSERT_EQUAL(v->tlb[0]->tag_read[40], window(40));
    go(v, 0, 3);
    CU_ASSERT_PTR_NOT_NULL(in_second(v, window(2)));
    bench_finish(&b);
}

/* ---- blocks, and many pages -------------------------------------------------------------------------------------- */

/* A RAM of three MiB, of which a mapping of one GiB has one whole block and a half. */
#define BLOCKS UINT64_C(0x40000000)
#define UPPER  UINT64_C(0xffff800000000000)

static bool by_block(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                     pb_guest_fault *fault)
{
    walks++;
    out->gpa = request->gva & ~UPPER;
    out->page_bytes = UINT64_C(1) << 30;
    out->global = request->gva >= UPPER;
    return true;
}

static const pb_tlb2_entry *block_of(const pb_vcpu *v, uint64_t gva)
{
    const pb_tlb_refill *refill = v->refill[0];
    uint64_t n = gva >> PB_BLOCK_BITS;

    for (uint32_t k = 0; k < 2; k++) {
        uint64_t set = (n ^ n >> PB_TLB2_BLOCK_BITS ^ refill->salt[k]) & (PB_TLB2_BLOCK_SETS - 1);

        for (uint32_t way = 0; way < PB_TLB2_WAYS; way++) {
            if (refill->second->block_tag[set][way] == (n << PB_BLOCK_BITS | refill->space[k]))
                return &refill->second->block[set][way];
        }
    }
    return NULL;
}

/* One whole block, seen at gva. */
static void check_block(bench *b, pb_ram *ram, uint64_t gva)
{
    const pb_guest_fault none = { 0 };
    pb_vcpu *v = b->vcpu[0];
    const pb_tlb2_entry *entry;
    pb_guest_fault fault = none;
    pb_code_page code;

    walks = 0;
    CU_ASSERT_EQUAL(load(v, gva + 0x3000, LOG2(3)), 3);
    entry = block_of(v, gva);
    CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
    CU_ASSERT_PTR_NULL(in_second(v, gva + 0x3000));
    CU_ASSERT_EQUAL(entry->plain, (uintptr_t)pb_ram_host(ram) | PB_TLB2_READ | PB_TLB2_WRITE);
    CU_ASSERT_EQUAL(load(v, gva + 0x1ff000, LOG2(3)), 0x1ff);
    store(v, gva + 0x1fe008, LOG2(3), 77);
    CU_ASSERT_EQUAL(((uint64_t *)(void *)pb_ram_host(ram))[0x1fe008 / 8], 77);
    CU_ASSERT_EQUAL(entry->tagged[0x1fe], PB_TLB2_TAGGED);
    CU_ASSERT_EQUAL(v->tlb[0]->tag_write[0x1fe], gva + 0x1fe000);
    CU_ASSERT_EQUAL(v->ops->code(v, gva + 0x1fe000, 0, &code, &fault), PB_MEM_OK);
    CU_ASSERT_EQUAL(code.gpa, BLOCKS + 0x1fe000);
    v->ops->code_reads(v, &code, 0, 64); /* what the next store writes */
    CU_ASSERT_NOT_EQUAL(entry->tagged[0x1fe], PB_TLB2_TAGGED);
    CU_ASSERT_EQUAL(walks, 1);
    /* An address of the mapping that was never looked at. */
    v->ops->tlb_flush_page(v, gva + 0x88000, 1, 1, PB_SCOPE_LOCAL);
    CU_ASSERT_PTR_NULL(block_of(v, gva));
    CU_ASSERT_EQUAL(v->tlb[0]->tag_read[3], pb_tlb_invalid(3));
    CU_ASSERT_EQUAL(load(v, gva + 0x4000, LOG2(3)), 4);
    CU_ASSERT_EQUAL(walks, 2);
}

/* A block half of which is memory. */
static void check_odd_block(bench *b, pb_ram *ram, uint64_t gva)
{
    uint64_t odd = gva + PB_BLOCK_SIZE;
    pb_vcpu *v = b->vcpu[0];

    walks = 0;
    CU_ASSERT_EQUAL(load(v, odd + 0x3000, LOG2(3)), 0x203);
    CU_ASSERT_EQUAL(load(v, odd + 0xff000, LOG2(3)), 0x2ff);
    CU_ASSERT(block_of(v, odd) && block_of(v, odd)->plain == 0);
    CU_ASSERT(in_second(v, odd + 0xff000) &&
              in_second(v, odd + 0xff000)->plain ==
                  ((uintptr_t)(pb_ram_host(ram) + 0x2ff000) | PB_TLB2_READ | PB_TLB2_WRITE));
    CU_ASSERT_EQUAL(load_fault(v, odd + 0x100000, LOG2(3)).kind, PB_FAULT_BUS);
    CU_ASSERT_EQUAL(walks, 1);
    v->ops->tlb_flush_page(v, odd + 0x3000, 1, 1, PB_SCOPE_LOCAL);
    CU_ASSERT_PTR_NULL(block_of(v, odd));
    CU_ASSERT_PTR_NULL(in_second(v, odd + 0xff000));
}

static void blocks(void)
{
    pb_bus_region *region;
    pb_ram *ram;
    bench b;

    init(&b, 1);
    b.walk = by_block;
    ram = pb_ram_new(b.bus, "blocks", 3 * (PB_BLOCK_SIZE / 2), PB_RAM_PAGES, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(ram);
    region = pb_bus_region_new_ram(b.bus, "blocks", ram, 0, 3 * (PB_BLOCK_SIZE / 2));
    pb_bus_region_add(b.root, region, BLOCKS, 0);
    for (uint64_t i = 0; i < 0x300; i++)
        memcpy(pb_ram_host(ram) + i * PB_PAGE_SIZE, &i, sizeof(i));
    for (uint32_t i = 0; i < 2; i++) {
        check_block(&b, ram, i ? UPPER | BLOCKS : BLOCKS);
        check_odd_block(&b, ram, i ? UPPER | BLOCKS : BLOCKS);
    }
    pb_bus_region_unref(region);
    pb_ram_unref(ram);
    bench_finish(&b);
}

/* All addresses are mapped, in single pages. */
static bool by_anything(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                        pb_guest_fault *fault)
{
    walks++;
    out->gpa = request->gva & (RAM_BYTES - 1);
    return true;
}

static void touch(pb_vcpu *v, uint32_t pages)
{
    for (uint32_t i = 0; i < pages; i++)
        load(v, UPPER + i * PB_PAGE_SIZE, LOG2(0));
}

/* The second level grows with what is used, and not because flushes leave behind what nobody uses. */
static void growth(void)
{
    const pb_tlb_flush flush = { .size = sizeof(flush), .mmu_mask = 1, .whose = PB_TLB_SPACE };
    uint32_t fewest = (1u << PB_TLB2_BITS) - 1;
    bench b;
    pb_vcpu *v;

    init(&b, 1);
    b.walk = by_anything;
    v = b.vcpu[0];
    for (uint32_t i = 0; i < 100; i++) {
        touch(v, 2000);
        v->ops->tlb_flush_some(v, &flush);
    }
    CU_ASSERT_EQUAL(v->refill[0]->set_mask, fewest);
    for (uint32_t i = 0; i < 4; i++)
        touch(v, 30000);
    CU_ASSERT(v->refill[0]->set_mask > fewest);
    walks = 0;
    touch(v, 30000);
    CU_ASSERT_EQUAL(walks, 0);
    for (uint32_t i = 0; i < 4; i++)
        touch(v, 100000); /* never fit */
    CU_ASSERT_EQUAL(v->refill[0]->set_mask, PB_TLB2_SETS - 1);
    for (uint32_t i = 0; i < 5000; i++) { /* until numbers start over */
        touch(v, 1);
        v->ops->tlb_flush_some(v, &flush);
    }
    CU_ASSERT_EQUAL(v->refill[0]->set_mask, fewest);
    touch(v, 100);
    walks = 0;
    touch(v, 100);
    CU_ASSERT_EQUAL(walks, 0);
    bench_finish(&b);
}

/* ---- the memory map -------------------------------------------------------------------------------------- */

static pb_ram *other;
static pb_bus_region *other_region;

static void move_region(bench *b, uint64_t value)
{
    pb_bus_region_set_visible(other_region, value != 0);
}

static void add_other(bench *b)
{
    other = pb_ram_new(b->bus, "other", 0x1000, PB_RAM_PAGES, NULL);
    other_region = pb_bus_region_new_ram(b->bus, "other", other, 0, 0x1000);
    pb_ram_host(other)[0] = 99;
    pb_bus_region_add(b->root, other_region, 0x6000, 1); /* over the RAM */
    b->on_device_write = move_region;
}

static void drop_other(void)
{
    pb_bus_region_unref(other_region);
    pb_ram_unref(other);
}

static uint32_t change_own_map(pb_vcpu *v, bench_state *s)
{
    uint64_t want = s->executed & 1;

    store(v, DEVICE, LOG2(2), want);
    expect(s->b, load(v, 0x6000, LOG2(0)) == (want ? 99 : 11)); /* the next instruction */
    store(v, 0x6008, LOG2(0), want);
    expect(s->b, pb_ram_host(want ? other : s->b->ram)[want ? 8 : 0x6008] == want);
    if (s->executed == 2000)
        end_run(s->b);
    return 0;
}

static void own_changes_are_seen_at_once(void)
{
    bench b;

    bench_init(&b, 1);
    pb_ram_host(b.ram)[0x6000] = 11;
    add_other(&b);
    b.insn = change_own_map;
    bench_run_to_end(&b);
    drop_other();
    bench_finish(&b);
}

/* vCPU 0 shows and hides; others look until they have seen it change. RAM that is dropped meanwhile stays mapped as
 * long as somebody can reach it: otherwise this crashes. */
static uint32_t look_at_map(pb_vcpu *v, bench_state *s)
{
    static _Thread_local uint64_t last;
    uint64_t value;

    if (v->index == 0) {
        store(v, DEVICE, LOG2(2), s->executed & 1);
        return 0;
    }
    value = load(v, 0x6000, LOG2(0));
    expect(s->b, value == 99 || value == 11);
    if (value != last && __atomic_add_fetch(&s->b->rounds, 1, __ATOMIC_SEQ_CST) == 200)
        end_run(s->b);
    last = value;
    return 0;
}

static void renew_region(bench *b, uint64_t value)
{
    if (!value) {
        pb_bus_region_remove(other_region);
        drop_other();
    } else {
        add_other(b);
        b->on_device_write = renew_region;
    }
}

static void others_see_changes(void)
{
    bench b;

    bench_init(&b, 3);
    pb_ram_host(b.ram)[0x6000] = 11;
    add_other(&b);
    b.insn = look_at_map;
    bench_run_to_end(&b);
    drop_other();
    bench_finish(&b);
}

static void others_use_ram_that_goes(void)
{
    bench b;

    bench_init(&b, 3);
    pb_ram_host(b.ram)[0x6000] = 11;
    add_other(&b);
    b.on_device_write = renew_region;
    pb_bus_region_remove(other_region);
    drop_other();
    state_of(b.vcpu[0])->executed = 1; /* begins with adding */
    b.insn = look_at_map;
    bench_run_to_end(&b);
    if (state_of(b.vcpu[0])->executed % 2 == 0)
        drop_other();
    bench_finish(&b);
}

int main(void)
{
    static const unit_case cases[] = {
        { "filling", filling },
        { "filling: what must be noticed", filling_of_traps },
        { "parts of pages", parts_of_pages },
        { "blocks", blocks },
        { "growth", growth },
        { "what emitted code finds", what_emitted_code_finds },
        { "own changes of the map are seen at once", own_changes_are_seen_at_once },
        { "others see changes of the map", others_see_changes },
        { "others use RAM that goes away", others_use_ram_that_goes },
        { 0 },
    };

    return unit_run("vCPU: TLB", cases);
}
