/*
 * A translation cache for tests: a bus with some RAM, and a "code generator" whose units are a few x86-64 instructions.
 *
 * A unit checks that it is the one its predecessor meant to go to, counts itself, and jumps to one of two others,
 * linked or not. A function of C calls it; what it does to a bench_ctx is written beside bench_emit().
 */
#ifndef TESTS_TC_BENCH_H
#define TESTS_TC_BENCH_H

#include <core/tc/internal.h>

#include "../runner.h"

#define RAM_PAGES 64

typedef struct bench {
    pb_bus *bus;
    pb_ram *ram;
    const pb_tc_ops *ops;
    pb_tc *tc;
    pb_code_slice thunks;
    pb_tc_user *user;
    uint32_t nudges; /* atomic */
} bench;

/* What emitted code works on. */
typedef struct bench_ctx {
    uint32_t pc;       /* where it was left, after a stale or used-up entry */
    int32_t budget;    /* checked entries that are still allowed */
    uint32_t expected; /* pc of the unit that is to come */
    uint32_t wrong;    /* units that were not */
    uint32_t executed;
    uint32_t random;
} bench_ctx;

/* ---- the generator --------------------------------------------------------------------------------------- */

static inline void bench_store8(uint8_t *rw, uint64_t word)
{
    g_assert(((uintptr_t)rw & 7) == 0);
    __atomic_store_n((uint64_t *)(void *)rw, word, __ATOMIC_RELEASE);
}

/* rel32 of a jump whose opcode is at `site` of the same aligned 8 bytes. */
static inline void bench_patch(uint8_t *rw, const uint8_t *rx, const uint8_t *to)
{
    uint64_t word = __atomic_load_n((uint64_t *)(void *)rw, __ATOMIC_RELAXED);
    uint32_t rel = (uint32_t)(to - (rx + 5));

    word = (word & ~UINT64_C(0xffffffffff)) | (uint64_t)rel << 8 | 0xe9;
    bench_store8(rw, word);
}

static inline void bench_link(void *self, uint8_t *rw_site, const uint8_t *rx_site,
                              const uint8_t *rx_target)
{
    bench_patch(rw_site, rx_site, rx_target);
}

static inline void bench_retire(void *self, uint8_t *rw_entry, const uint8_t *rx_entry,
                                const uint8_t *rx_stale)
{
    bench_patch(rw_entry, rx_entry, rx_stale);
}

static const pb_codegen_type bench_codegen = {
    .link = bench_link,
    .retire = bench_retire,
};

/* Where an unlinked jump, or the entry of a unit, leads now. */
static inline const uint8_t *bench_leads_to(const uint8_t *rx)
{
    int32_t rel;

    memcpy(&rel, rx + 1, 4);
    return rx[0] == 0xe9 ? rx + 5 + rel : NULL;
}

typedef struct bench_code {
    uint8_t *rw;
    uint32_t at;
} bench_code;

static inline void put(bench_code *c, const char *bytes, uint32_t count)
{
    memcpy(c->rw + c->at, bytes, count);
    c->at += count;
}

static inline void put32(bench_code *c, uint32_t word)
{
    memcpy(c->rw + c->at, &word, 4);
    c->at += 4;
}

/* mov dword [rdi + offset], value */
static inline void put_store(bench_code *c, uint32_t offset, uint32_t value)
{
    put(c, "\xc7\x47", 2);
    put(c, (const char[]){ (char)offset }, 1);
    put32(c, value);
}

static inline void put_align(bench_code *c, uint32_t to)
{
    while (c->at % to)
        put(c, "\x90", 1);
}

/* mov [expected], pc; jmp (aligned to 8) */
static inline void put_jump(bench_code *c, pb_code_link *link, uint64_t from, uint32_t pc)
{
    put_store(c, offsetof(bench_ctx, expected), pc);
    put_align(c, 8);
    *link = (pb_code_link){ .pc = pc, .site = c->at, .flags = pc <= from ? PB_LINK_CHECKED : 0 };
    put(c, "\xe9\0\0\0\0", 5);
}

/* lea rax, [site]; ret */
static inline void put_stub(bench_code *c, pb_code_link *link)
{
    link->stub = c->at;
    put(c, "\x48\x8d\x05", 3);
    put32(c, link->site - (c->at + 4));
    put(c, "\xc3", 1);
}

/* Where a unit has the value that the test gave it. */
#define BENCH_VALUE 16u

/* A unit at pc that goes on at next[0] or next[1], with `padding` bytes behind it. Called with a bench_ctx in rdi it
 * returns the site of the jump that was not linked, or null at a stale or used-up entry. */
static inline void bench_emit(pb_code_job *job, uint32_t pc, const uint32_t next[2], uint32_t value,
                              uint32_t padding)
{
    bench_code c = { .rw = job->slice.rw };
    uint32_t stale_rel, skip, else_rel;

    job->entry = c.at;
    put(&c, "\xff\x8f", 2); /* dec dword [budget] */
    put32(&c, offsetof(bench_ctx, budget));
    put(&c, "\x0f\x88", 2); /* js stale */
    stale_rel = c.at;
    put32(&c, 0);
    put(&c, "\xeb\x06", 2); /* jmp over the value */
    put_align(&c, 8);
    put32(&c, value);
    job->direct = c.at;
    put(&c, "\x81\x7f", 2); /* cmp dword [expected], pc */
    put(&c, (const char[]){ offsetof(bench_ctx, expected) }, 1);
    put32(&c, pc);
    put(&c, "\x74\x03\xff\x47", 4); /* je; inc dword [wrong] */
    put(&c, (const char[]){ offsetof(bench_ctx, wrong) }, 1);
    put(&c, "\xff\x47", 2); /* inc dword [executed] */
    put(&c, (const char[]){ offsetof(bench_ctx, executed) }, 1);
    put(&c, "\x69\x47", 2); /* imul eax, [random], 1103515245 */
    put(&c, (const char[]){ offsetof(bench_ctx, random) }, 1);
    put32(&c, 1103515245);
    put(&c, "\x05", 1); /* add eax, 12345 */
    put32(&c, 12345);
    put(&c, "\x89\x47", 2); /* mov [random], eax */
    put(&c, (const char[]){ offsetof(bench_ctx, random) }, 1);
    put(&c, "\xa9\0\0\4\0", 5); /* test eax, 1 << 18 */
    put(&c, "\x0f\x84", 2);     /* jz */
    else_rel = c.at;
    put32(&c, 0);
    put_jump(&c, &job->links[0], pc, next[0]);
    skip = c.at - (else_rel + 4);
    memcpy(c.rw + else_rel, &skip, 4);
    put_jump(&c, &job->links[1], pc, next[1]);
    put_stub(&c, &job->links[0]);
    put_stub(&c, &job->links[1]);
    job->stale = c.at;
    skip = c.at - (stale_rel + 4);
    memcpy(c.rw + stale_rel, &skip, 4);
    put_store(&c, offsetof(bench_ctx, pc), pc);
    put(&c, "\x31\xc0\xc3", 3); /* xor eax, eax; ret */
    memset(c.rw + c.at, 0xcc, padding);
    job->bytes = c.at + padding;
    job->n_links = 2;
    for (int i = 0; i < 2; i++)
        bench_patch(job->slice.rw + job->links[i].site, job->slice.rx + job->links[i].site,
                    job->slice.rx + job->links[i].stub);
}

#define BENCH_UNIT_BYTES 256 /* a unit without padding is smaller */

static inline uint32_t bench_value(const pb_tc_unit *u)
{
    uint32_t value;

    memcpy(&value, u->code + BENCH_VALUE, 4);
    return value;
}

static inline const uint8_t *bench_run(const uint8_t *entry, bench_ctx *ctx)
{
    const uint8_t *(*code)(bench_ctx *);

    memcpy(&code, &entry, sizeof(code));
    return code(ctx);
}

/* ---- the machine ----------------------------------------------------------------------------------------- */

static pb_bus *bench_bus;

static inline pb_bus *bench_bus_of(pb_object *object)
{
    return bench_bus;
}

static inline void bench_nudge(void *opaque)
{
    bench *b = opaque;

    __atomic_add_fetch(&b->nudges, 1, __ATOMIC_SEQ_CST);
}

/* One user, inside. */
static inline void bench_open(bench *b, uint64_t bytes)
{
    pb_error error = PB_ERROR_INIT;

    *b = (bench){ .bus = pb_bus_new(NULL) };
    bench_bus = b->bus;
    b->ram = pb_ram_new(b->bus, "ram", RAM_PAGES * PB_PAGE_SIZE, PB_RAM_PAGES, NULL);
    b->ops = pb_tc_ops_of(bench_bus_of);
    b->tc = b->ops->open(NULL, bytes, &bench_codegen, NULL, &b->thunks, &error);
    if (!b->tc)
        printf("%s\n", error.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b->tc);
    b->user = b->ops->user_new(b->tc, bench_nudge, b);
    b->ops->enter(b->user);
}

static inline void bench_close(bench *b)
{
    b->ops->leave(b->user);
    b->ops->user_free(b->user);
    b->ops->close(b->tc);
    pb_ram_unref(b->ram);
    pb_bus_free(b->bus);
}

/* What a translation of the instruction at pc says: pages are 4 KiB, pc 0 is RAM's first byte. */
static inline ir_unit bench_translate(bench *b, uint32_t pc, bool two_pages)
{
    ir_unit ir = { .size = sizeof(ir), .n_pages = two_pages ? 2 : 1, .n_marks = 1 };

    for (uint32_t i = 0; i < ir.n_pages; i++) {
        uint64_t page = (pc >> PB_PAGE_BITS) + i;

        ir.pages[i].host = pb_ram_host(b->ram) + (page << PB_PAGE_BITS);
        ir.pages[i].gpa = page << PB_PAGE_BITS;
        ir.pages[i].stamp = pb_ram_code_take(b->ram, page, &ir.pages[i].generation);
        pb_ram_code_reads(ir.pages[i].generation, 0, PB_PAGE_SIZE);
    }
    return ir;
}

static inline pb_tc_key bench_key(bench *b, uint32_t pc)
{
    const uint32_t *generation;

    pb_ram_code_take(b->ram, pc >> PB_PAGE_BITS, &generation);
    return (pb_tc_key){ .page = generation, .pc = pc, .key = 7 };
}

static inline pb_tc_unit *bench_find(bench *b, pb_tc_user *user, uint32_t pc)
{
    pb_tc_key key = bench_key(b, pc);

    return b->ops->lookup(user, &key);
}

/* Emit and publish; the result as publish(). */
static inline pb_tc_unit *bench_publish(bench *b, pb_tc_user *user, const ir_unit *ir, uint32_t pc,
                                        const uint32_t next[2], uint32_t padding,
                                        pb_tc_unit **other)
{
    pb_tc_key key = { .page = ir->pages[0].generation, .pc = pc, .key = 7 };
    pb_code_job job = { .size = sizeof(job) };
    uint32_t room = b->ops->reserve(user, BENCH_UNIT_BYTES + padding, &job.slice);

    CU_ASSERT_EQUAL_FATAL(room, PB_TC_ROOM);
    bench_emit(&job, pc, next, 0, padding);
    return b->ops->publish(user, &key, ir, &job, other);
}

/* A unit at pc that goes on at the two others; must succeed. */
static inline pb_tc_unit *bench_make(bench *b, uint32_t pc, uint32_t next0, uint32_t next1)
{
    ir_unit ir = bench_translate(b, pc, false);
    pb_tc_unit *other,
        *u = bench_publish(b, b->user, &ir, pc, (const uint32_t[]){ next0, next1 }, 0, &other);

    CU_ASSERT_PTR_NOT_NULL_FATAL(u);
    return u;
}

/* The guest writes a byte of the page of pc. */
static inline void bench_write(bench *b, uint32_t pc)
{
    pb_ram_host(b->ram)[pc]++;
    pb_ram_stored(b->ram, pc, 1);
}

/* The site of the unit's jump, and whether it leads to its stub. */
static inline const uint8_t *bench_site(bench *b, const pb_tc_unit *u, uint32_t jump)
{
    const tc_unit *t = (const tc_unit *)u;
    const tc_slab *slab = &b->tc->slabs[slab_of_unit(b->tc, number_of(b->tc, t))];
    const tc_link *l = &b->tc->links[first_link(b->tc, slab) + t->first_link + jump];

    return slab_code(b->tc, slab->index) + l->site;
}

static inline bool bench_unlinked(bench *b, const uint8_t *site)
{
    pb_tc_unit *unit;
    pb_code_link link;

    return b->ops->link_at(b->user, site, &unit, &link) &&
           bench_leads_to(site) == unit->code + link.stub;
}

static inline void bench_count(void *opaque, const char *name, uint64_t value)
{
    struct {
        const char *name;
        uint64_t value;
    } *wanted = opaque;

    if (strcmp(name, wanted->name) == 0)
        wanted->value = value;
}

static inline uint64_t bench_statistic(bench *b, const char *name)
{
    struct {
        const char *name;
        uint64_t value;
    } wanted = { name, UINT64_MAX };

    b->ops->statistics(b->tc, bench_count, &wanted);
    CU_ASSERT_NOT_EQUAL(wanted.value, UINT64_MAX);
    return wanted.value;
}

#endif
