/*
 * Direct jumps between units: core/tc/links.c.
 */
#include "bench.h"

static const uint8_t *direct_of(const pb_tc_unit *u)
{
    return u->code + ((const tc_unit *)u)->direct;
}

static void link_jump(bench *b, const pb_tc_unit *from, uint32_t jump, pb_tc_unit *to)
{
    b->ops->link(b->user, bench_site(b, from, jump), to);
}

static void linking(void)
{
    bench b;
    pb_tc_unit *u, *v, *unit;
    pb_code_link link;

    bench_open(&b, 1 << 20);
    u = bench_make(&b, 0x1000, 0x2000, 0x800);
    v = bench_make(&b, 0x2000, 0, 0);
    CU_ASSERT(b.ops->link_at(b.user, bench_site(&b, u, 1), &unit, &link));
    CU_ASSERT_PTR_EQUAL(unit, u);
    CU_ASSERT_EQUAL(link.pc, 0x800);
    CU_ASSERT_EQUAL(link.flags, PB_LINK_CHECKED);
    CU_ASSERT_PTR_EQUAL(u->code + link.site, bench_site(&b, u, 1));
    CU_ASSERT_PTR_EQUAL(bench_leads_to(bench_site(&b, u, 1)), u->code + link.stub);
    CU_ASSERT_FALSE(b.ops->link_at(b.user, bench_site(&b, u, 1) + 1, &unit, &link));
    CU_ASSERT_FALSE(b.ops->link_at(b.user, NULL, &unit, &link));

    link_jump(&b, u, 0, v);
    CU_ASSERT_PTR_EQUAL(bench_leads_to(bench_site(&b, u, 0)), direct_of(v));
    CU_ASSERT(bench_unlinked(&b, bench_site(&b, u, 1)));
    link_jump(&b, u, 0, v); /* again */
    CU_ASSERT_EQUAL(bench_statistic(&b, "jumps linked"), 1);
    b.ops->link(b.user, bench_site(&b, u, 0) + 1, v); /* not a site */
    CU_ASSERT_EQUAL(bench_statistic(&b, "jumps linked"), 1);

    /* A jump backwards goes to the checked entry. */
    v = bench_make(&b, 0x800, 0, 0);
    link_jump(&b, u, 1, v);
    CU_ASSERT_PTR_EQUAL(bench_leads_to(bench_site(&b, u, 1)), v->entry);
    bench_close(&b);
}

static void dropping_the_target(void)
{
    bench b;
    pb_tc_unit *u, *v;

    bench_open(&b, 1 << 20);
    u = bench_make(&b, 0x1000, 0x2000, 0x2000);
    v = bench_make(&b, 0x2000, 0, 0);
    link_jump(&b, u, 0, v);
    link_jump(&b, u, 1, v);
    bench_write(&b, 0x2000);
    CU_ASSERT(bench_unlinked(&b, bench_site(&b, u, 0)));
    CU_ASSERT(bench_unlinked(&b, bench_site(&b, u, 1)));
    link_jump(&b, u, 0, v); /* too late */
    CU_ASSERT(bench_unlinked(&b, bench_site(&b, u, 0)));
    CU_ASSERT_EQUAL(bench_statistic(&b, "jumps unlinked"), 2);
    v = bench_make(&b, 0x2000, 0, 0);
    link_jump(&b, u, 0, v);
    CU_ASSERT_PTR_EQUAL(bench_leads_to(bench_site(&b, u, 0)), direct_of(v));
    bench_close(&b);
}

static void dropping_the_source(void)
{
    bench b;
    pb_tc_unit *u, *v, *w, *unit;
    pb_code_link link;

    bench_open(&b, 1 << 20);
    u = bench_make(&b, 0x1000, 0x2000, 0x2000);
    v = bench_make(&b, 0x2000, 0x4000, 0x4000);
    w = bench_make(&b, 0x800, 0x2000, 0x2000);
    link_jump(&b, u, 0, v);
    link_jump(&b, w, 0, v);
    link_jump(&b, u, 1, v);
    bench_write(&b, 0x1000);
    /* Who executes it still finds out where its jump goes, but links nothing. */
    CU_ASSERT(b.ops->link_at(b.user, bench_site(&b, u, 0), &unit, &link));
    CU_ASSERT_PTR_EQUAL(unit, u);
    CU_ASSERT_EQUAL(link.pc, 0x2000);
    CU_ASSERT(bench_unlinked(&b, bench_site(&b, u, 0)));
    link_jump(&b, u, 0, v);
    CU_ASSERT(bench_unlinked(&b, bench_site(&b, u, 0)));
    /* The other's link is whole, and is found when the target goes. */
    CU_ASSERT_PTR_EQUAL(bench_leads_to(bench_site(&b, w, 0)), direct_of(v));
    bench_write(&b, 0x2000);
    CU_ASSERT(bench_unlinked(&b, bench_site(&b, w, 0)));
    bench_close(&b);
}

static void another_target(void)
{
    bench b;
    pb_tc_unit *u, *v, *w;

    bench_open(&b, 1 << 20);
    u = bench_make(&b, 0x1000, 0x2000, 0x2000);
    v = bench_make(&b, 0x2000, 0, 0);
    w = bench_make(&b, 0x3000, 0, 0); /* where the guest's mapping leads now */
    link_jump(&b, u, 0, v);
    link_jump(&b, u, 0, w);
    CU_ASSERT_PTR_EQUAL(bench_leads_to(bench_site(&b, u, 0)), direct_of(w));
    bench_write(&b, 0x2000);
    CU_ASSERT_PTR_EQUAL(bench_leads_to(bench_site(&b, u, 0)), direct_of(w));
    bench_write(&b, 0x3000);
    CU_ASSERT(bench_unlinked(&b, bench_site(&b, u, 0)));
    bench_close(&b);
}

static void to_itself(void)
{
    bench b;
    pb_tc_unit *u;

    bench_open(&b, 1 << 20);
    u = bench_make(&b, 0x1000, 0x1000, 0x1000);
    link_jump(&b, u, 0, u);
    link_jump(&b, u, 1, u);
    CU_ASSERT_PTR_EQUAL(bench_leads_to(bench_site(&b, u, 0)), u->entry);
#ifdef __x86_64__
    {
        bench_ctx ctx = { .budget = 1000, .expected = 0x1000 };

        CU_ASSERT_PTR_NULL(bench_run(u->entry, &ctx));
        CU_ASSERT_EQUAL(ctx.executed, 1000);
        CU_ASSERT_EQUAL(ctx.wrong, 0);
        CU_ASSERT_EQUAL(ctx.pc, 0x1000);
    }
#endif
    bench_write(&b, 0x1000);
    CU_ASSERT(bench_unlinked(&b, bench_site(&b, u, 0)));
    CU_ASSERT(bench_unlinked(&b, bench_site(&b, u, 1)));
    bench_close(&b);
}

/* Many units link to one, and are dropped in another order. */
static void many_to_one(void)
{
    enum { COUNT = 60 };
    bench b;
    pb_tc_unit *target, *from[COUNT];

    bench_open(&b, 1 << 20);
    target = bench_make(&b, 0x3f000, 0, 0);
    for (uint32_t i = 0; i < COUNT; i++) {
        from[i] = bench_make(&b, i << 12, 0x3f000, 0x3f000);
        link_jump(&b, from[i], 0, target);
        link_jump(&b, from[i], 1, target);
    }
    for (uint32_t i = 0; i < COUNT / 2; i++)
        bench_write(&b, i * 37 % COUNT << 12);
    bench_write(&b, 0x3f000);
    for (uint32_t i = 0; i < COUNT; i++) {
        CU_ASSERT(bench_unlinked(&b, bench_site(&b, from[i], 0)));
        CU_ASSERT(bench_unlinked(&b, bench_site(&b, from[i], 1)));
    }
    CU_ASSERT_EQUAL(bench_statistic(&b, "jumps linked"), 2 * COUNT);
    CU_ASSERT_EQUAL(bench_statistic(&b, "jumps unlinked"), 2 * COUNT);
    bench_close(&b);
}

/* ---- two users at one site ------------------------------------------------------------------------------- */

typedef struct racer {
    bench *b;
    const uint8_t *site;
    pb_tc_unit *target;
    pthread_t thread;
} racer;

static void *race(void *opaque)
{
    const racer *r = opaque;
    pb_tc_user *user = r->b->ops->user_new(r->b->tc, NULL, NULL);

    r->b->ops->enter(user);
    for (int i = 0; i < 2000; i++)
        r->b->ops->link(user, r->site, r->target);
    r->b->ops->leave(user);
    return user;
}

static void two_users(void)
{
    bench b;
    pb_tc_unit *u, *v, *w;
    racer racers[2];
    const uint8_t *to;

    bench_open(&b, 1 << 20);
    u = bench_make(&b, 0x1000, 0x2000, 0x2000);
    v = bench_make(&b, 0x2000, 0, 0);
    w = bench_make(&b, 0x3000, 0, 0);
    for (int i = 0; i < 2; i++) {
        racers[i] = (racer){ .b = &b, .site = bench_site(&b, u, 0), .target = i ? w : v };
    }
    pthread_create(&racers[0].thread, NULL, race, &racers[0]);
    pthread_create(&racers[1].thread, NULL, race, &racers[1]);
    for (int i = 0; i < 2; i++) {
        void *user;

        pthread_join(racers[i].thread, &user);
        b.ops->user_free(user);
    }
    to = bench_leads_to(bench_site(&b, u, 0));
    CU_ASSERT(to == direct_of(v) || to == direct_of(w));
    CU_ASSERT_EQUAL(bench_statistic(&b, "jumps linked"), bench_statistic(&b, "jumps unlinked") + 1);
    bench_write(&b, to == direct_of(v) ? 0x3000 : 0x2000); /* the other one */
    CU_ASSERT_PTR_EQUAL(bench_leads_to(bench_site(&b, u, 0)), to);
    bench_write(&b, to == direct_of(v) ? 0x2000 : 0x3000);
    CU_ASSERT(bench_unlinked(&b, bench_site(&b, u, 0)));
    bench_close(&b);
}

int main(void)
{
    static const unit_case cases[] = {
        { "linking", linking },
        { "dropping the target", dropping_the_target },
        { "dropping the source", dropping_the_source },
        { "another target", another_target },
        { "to itself", to_itself },
        { "many to one", many_to_one },
        { "two users at one site", two_users },
        { 0 },
    };

    return unit_run("tc links", cases);
}
