/*
 * Slabs: reservations, eviction, quiescence: core/tc/slabs.c.
 */
#include "bench.h"

/* Emit a unit with padding; null if there is no room now. */
static pb_tc_unit *make_large(bench *b, pb_tc_user *user, uint32_t pc, uint32_t padding)
{
    ir_unit ir = bench_translate(b, pc, false);
    pb_tc_key key = bench_key(b, pc);
    pb_code_job job = { .size = sizeof(job) };
    pb_tc_unit *other, *u;

    if (b->ops->reserve(user, BENCH_UNIT_BYTES + padding, &job.slice) != PB_TC_ROOM) {
        CU_ASSERT_PTR_NULL(job.slice.rw);
        return NULL;
    }
    bench_emit(&job, pc, (const uint32_t[]){ pc, pc + 16 }, pc, padding);
    u = b->ops->publish(user, &key, &ir, &job, &other);
    CU_ASSERT(u || other);
    return u ? u : other;
}

static uint32_t slab_at(const bench *b, const pb_tc_unit *u)
{
    return slab_of_unit(b->tc, number_of(b->tc, (const tc_unit *)u));
}

static void room(void)
{
    bench b;
    pb_code_slice slice;
    uint32_t most;

    bench_open(&b, 1 << 20);
    most = slab_bytes(b.tc);
    CU_ASSERT(b.thunks.bytes >= PB_CODEGEN_THUNK_BYTES);
    CU_ASSERT_EQUAL(b.ops->reserve(b.user, most + 1, &slice), PB_TC_TOO_LARGE);
    CU_ASSERT_EQUAL(slice.bytes, 0);
    CU_ASSERT_EQUAL(b.ops->reserve(b.user, UINT32_MAX, &slice), PB_TC_TOO_LARGE);
    CU_ASSERT_EQUAL(b.ops->reserve(b.user, most, &slice), PB_TC_ROOM);
    CU_ASSERT_EQUAL(slice.bytes, most);
    CU_ASSERT(slice.rx >= b.thunks.rx + b.thunks.bytes || slice.rx + most <= b.thunks.rx);
    memset(slice.rw, 0x5a, most); /* both mappings are the same memory */
    CU_ASSERT_EQUAL(slice.rx[0], 0x5a);
    CU_ASSERT_EQUAL(slice.rx[most - 1], 0x5a);
    bench_make(&b, 0x1000, 0, 0);
    CU_ASSERT_EQUAL(b.ops->reserve(b.user, 1, &slice), PB_TC_ROOM);
    CU_ASSERT_EQUAL((uintptr_t)slice.rx % UNIT_ALIGN, 0);
    CU_ASSERT(slice.bytes < most);
    bench_close(&b);
}

/* For tests: slabs go while there is room. */
static void by_chance(void)
{
    bench b;

    bench_open(&b, 1 << 20);
    b.ops->evict_every(b.tc, 2);
    for (uint32_t i = 0; i < 100; i++) {
        b.ops->quiescent(b.user);
        bench_make(&b, i * 16, 0, 0);
    }
    CU_ASSERT_EQUAL(bench_statistic(&b, "slabs evicted"), 50);
    CU_ASSERT(bench_statistic(&b, "units alive") <= 2);
    b.ops->evict_every(b.tc, 0);
    for (uint32_t i = 0; i < 100; i++)
        bench_make(&b, 0x4000 + i * 16, 0, 0);
    CU_ASSERT_EQUAL(bench_statistic(&b, "slabs evicted"), 50);
    CU_ASSERT(bench_statistic(&b, "units alive") >= 100);
    bench_close(&b);
}

/* Who passes a quiescent point after each unit always gets room, however small the cache. */
static void endless(void)
{
    bench b;
    uint32_t forgets = 0;

    bench_open(&b, 1 << 20);
    for (uint32_t i = 0; i < 4000; i++) {
        uint32_t pc = i * 64 % (RAM_PAGES << PB_PAGE_BITS);
        pb_tc_unit *u = make_large(&b, b.user, pc, 1000 + i % 7 * 300);

        CU_ASSERT_PTR_NOT_NULL_FATAL(u);
        CU_ASSERT_PTR_EQUAL(bench_find(&b, b.user, pc), u);
        forgets += b.ops->quiescent(b.user);
    }
    CU_ASSERT(forgets > 100);
    CU_ASSERT(bench_statistic(&b, "slabs evicted") > 100);
    CU_ASSERT(bench_statistic(&b, "cache bytes in use") <= bench_statistic(&b, "cache bytes"));
    CU_ASSERT_EQUAL(bench_statistic(&b, "reservations put off"), 0);
    CU_ASSERT_EQUAL(bench_statistic(&b, "units alive"),
                    bench_statistic(&b, "units published") -
                        bench_statistic(&b, "units dropped by eviction"));
    CU_ASSERT_EQUAL(b.nudges, 0);
    bench_close(&b);
}

/* What a user may be executing stays as it is; when there is nothing else it is nudged, once. */
static void held_back(void)
{
    bench b;
    pb_tc_user *sleeper;
    pb_tc_unit *units[400];
    uint32_t count = 0;
    uint64_t epoch;

    bench_open(&b, 1 << 20);
    sleeper = b.ops->user_new(b.tc, bench_nudge, &b);
    b.ops->enter(sleeper);
    for (; count < 400; count++) {
        units[count] = make_large(&b, b.user, count * 64, 4000);
        b.ops->quiescent(b.user);
        if (!units[count])
            break;
    }
    CU_ASSERT_FATAL(count > 100 && count < 400);
    CU_ASSERT(bench_statistic(&b, "units dropped by eviction") > 0);
    /* Nothing was written over, and all of it is known by its address. */
    for (uint32_t i = 0; i < count; i++) {
        CU_ASSERT_EQUAL(bench_value(units[i]), i * 64);
        CU_ASSERT_PTR_EQUAL(b.ops->unit_at(sleeper, units[i]->code), units[i]);
    }
    CU_ASSERT_EQUAL(b.nudges, 1);
    CU_ASSERT_PTR_NULL(make_large(&b, b.user, 0, 4000));
    CU_ASSERT_EQUAL(b.nudges, 1);
    CU_ASSERT(bench_statistic(&b, "reservations put off") >= 2);

    epoch = sleeper->active;
    CU_ASSERT(b.ops->quiescent(sleeper));
    CU_ASSERT(sleeper->active > epoch);
    CU_ASSERT_FALSE(b.ops->quiescent(sleeper));
    CU_ASSERT_PTR_NOT_NULL(make_large(&b, b.user, 0, 4000));
    b.ops->leave(sleeper);
    b.ops->user_free(sleeper);
    bench_close(&b);
}

/* Who sleeps outside holds nothing back, and is told when it comes in. */
static void asleep_outside(void)
{
    bench b;
    pb_tc_user *sleeper;

    bench_open(&b, 1 << 20);
    sleeper = b.ops->user_new(b.tc, bench_nudge, &b);
    b.ops->enter(sleeper);
    CU_ASSERT_PTR_NOT_NULL(make_large(&b, sleeper, 0, 0)); /* its slab is taken from it */
    b.ops->leave(sleeper);
    for (uint32_t i = 0; i < 1000; i++) {
        CU_ASSERT_PTR_NOT_NULL_FATAL(make_large(&b, b.user, i * 64 + 16, 4000));
        b.ops->quiescent(b.user);
    }
    CU_ASSERT_PTR_NULL(bench_find(&b, b.user, 0));
    CU_ASSERT_EQUAL(b.nudges, 0);
    CU_ASSERT(b.ops->enter(sleeper));
    CU_ASSERT_PTR_NOT_NULL(make_large(&b, sleeper, 0, 0));
    b.ops->leave(sleeper);
    b.ops->enter(sleeper);
    b.ops->leave(sleeper);
    CU_ASSERT_FALSE(b.ops->enter(sleeper)); /* nothing happened */
    b.ops->leave(sleeper);
    b.ops->user_free(sleeper);
    bench_close(&b);
}

/* More users than slabs, all of them with one. */
static void more_users_than_slabs(void)
{
    enum { USERS = 100 };
    bench b;
    pb_tc_user *users[USERS];
    uint32_t served = 0;

    bench_open(&b, 1 << 20);
    for (uint32_t i = 0; i < USERS; i++) {
        users[i] = b.ops->user_new(b.tc, NULL, NULL);
        b.ops->enter(users[i]);
    }
    for (uint32_t round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < USERS; i++) {
            served += make_large(&b, users[i], (round * USERS + i) * 64, 100) != NULL;
            for (uint32_t k = 0; k < USERS; k++)
                b.ops->quiescent(users[k]);
            b.ops->quiescent(b.user);
        }
    }
    CU_ASSERT_EQUAL(served, 4 * USERS);
    for (uint32_t i = 0; i < USERS; i++) {
        b.ops->leave(users[i]);
        b.ops->user_free(users[i]);
    }
    bench_close(&b);
}

/* A reservation is nobody else's until it is given up. */
static void reserved(void)
{
    bench b;
    pb_tc_user *writer;
    pb_code_slice slice;

    bench_open(&b, 1 << 20);
    writer = b.ops->user_new(b.tc, NULL, NULL);
    b.ops->enter(writer);
    CU_ASSERT_EQUAL(b.ops->reserve(writer, 100, &slice), PB_TC_ROOM);
    memset(slice.rw, 0x77, slice.bytes);
    for (uint32_t i = 0; i < 1000; i++) {
        if (!make_large(&b, b.user, i * 64, 4000))
            break;
        b.ops->quiescent(b.user);
    }
    b.ops->drop_all(b.tc);
    for (uint32_t i = 0; i < slice.bytes; i++)
        if (slice.rx[i] != 0x77)
            CU_FAIL_FATAL("somebody else wrote there");
    CU_ASSERT_PTR_EQUAL(writer->slab, &b.tc->slabs[(slice.rx - b.tc->rx) >> b.tc->slab_log2]);
    b.ops->leave(writer);
    b.ops->quiescent(b.user);
    for (uint32_t i = 0; i < 1000; i++) {
        CU_ASSERT_PTR_NOT_NULL_FATAL(make_large(&b, b.user, i * 64, 4000));
        b.ops->quiescent(b.user);
    }
    CU_ASSERT_PTR_NULL(writer->slab);
    b.ops->user_free(writer);
    bench_close(&b);
}

/* What is looked up again and again stays; what is not goes. */
static void second_chance(void)
{
    bench b;
    pb_tc_unit *hot, *cold;
    uint32_t same = 0;

    bench_open(&b, 1 << 20);
    hot = make_large(&b, b.user, 0, 20000);
    cold = make_large(&b, b.user, 0x20000, 20000);
    CU_ASSERT_NOT_EQUAL(slab_at(&b, hot), slab_at(&b, cold));
    for (uint32_t i = 0; i < 1000; i++) {
        CU_ASSERT_PTR_NOT_NULL_FATAL(make_large(&b, b.user, 16 + i * 64, 4000));
        same += bench_find(&b, b.user, 0) == hot;
        b.ops->quiescent(b.user);
    }
    CU_ASSERT_EQUAL(same, 1000);
    CU_ASSERT_PTR_NULL(bench_find(&b, b.user, 0x20000));
    CU_ASSERT(bench_statistic(&b, "slabs spared") > 0);
    bench_close(&b);
}

/* Everything is looked up again and again. */
static void all_are_hot(void)
{
    bench b;

    bench_open(&b, 1 << 20);
    for (uint32_t i = 0; i < 1000; i++) {
        CU_ASSERT_PTR_NOT_NULL_FATAL(make_large(&b, b.user, i * 64, 4000));
        b.ops->quiescent(b.user);
        for (uint32_t k = 0; k <= i; k++)
            bench_find(&b, b.user, k * 64);
    }
    CU_ASSERT_EQUAL(bench_statistic(&b, "reservations put off"), 0);
    bench_close(&b);
}

/* Units that stay are not linked to memory that goes, nor the other way round. */
static void links_of_evicted(void)
{
    bench b;
    pb_tc_unit *hot, *gone;

    bench_open(&b, 1 << 20);
    hot = make_large(&b, b.user, 0, 20000);
    gone = make_large(&b, b.user, 16, 20000);
    b.ops->link(b.user, bench_site(&b, hot, 1), gone);
    b.ops->link(b.user, bench_site(&b, gone, 0), hot);
    CU_ASSERT_FALSE(bench_unlinked(&b, bench_site(&b, hot, 1)));
    for (uint32_t i = 1; i < 1000; i++) {
        CU_ASSERT_PTR_NOT_NULL_FATAL(make_large(&b, b.user, i * 64, 4000));
        bench_find(&b, b.user, 0);
        b.ops->quiescent(b.user);
    }
    CU_ASSERT_PTR_NULL(bench_find(&b, b.user, 16));
    CU_ASSERT_PTR_EQUAL_FATAL(bench_find(&b, b.user, 0), hot);
    CU_ASSERT(bench_unlinked(&b, bench_site(&b, hot, 1)));
    CU_ASSERT_EQUAL(((tc_unit *)hot)->first_in, 0);
    bench_close(&b);
}

static void dropping_all(void)
{
    bench b;
    pb_tc_unit *u, *other;
    ir_unit ir;

    bench_open(&b, 1 << 20);
    u = make_large(&b, b.user, 0, 20000);
    make_large(&b, b.user, 16, 20000);
    ir = bench_translate(&b, 0x1000, false);
    b.ops->drop_all(b.tc);
    CU_ASSERT_PTR_NULL(bench_find(&b, b.user, 0));
    CU_ASSERT_PTR_NULL(bench_find(&b, b.user, 16));
    CU_ASSERT_PTR_NOT_NULL(bench_leads_to(u->entry));
    CU_ASSERT_EQUAL(bench_statistic(&b, "units alive"), 0);
    CU_ASSERT_EQUAL(bench_statistic(&b, "units dropped by flushes"), 2);
    /* What was translated before it does not come in any more. */
    CU_ASSERT_PTR_NULL(
        bench_publish(&b, b.user, &ir, 0x1000, (const uint32_t[]){ 0, 0 }, 0, &other));
    CU_ASSERT(b.ops->quiescent(b.user));
    CU_ASSERT_PTR_NOT_NULL(
        bench_publish(&b, b.user, &ir, 0x1000, (const uint32_t[]){ 0, 0 }, 0, &other));
    b.ops->drop_all(b.tc);
    b.ops->drop_all(b.tc);
    CU_ASSERT(b.ops->quiescent(b.user));
    for (uint32_t i = 0; i < 500; i++) {
        CU_ASSERT_PTR_NOT_NULL_FATAL(make_large(&b, b.user, i * 64, 4000));
        b.ops->quiescent(b.user);
    }
    bench_close(&b);
}

int main(void)
{
    static const unit_case cases[] = {
        { "by chance", by_chance },
        { "room", room },
        { "endless", endless },
        { "held back", held_back },
        { "asleep outside", asleep_outside },
        { "more users than slabs", more_users_than_slabs },
        { "reserved", reserved },
        { "second chance", second_chance },
        { "all are hot", all_are_hot },
        { "links of evicted units", links_of_evicted },
        { "dropping all", dropping_all },
        { 0 },
    };

    return unit_run("tc slabs", cases);
}
