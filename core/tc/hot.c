/*
 * Where guests spend their time: samples of vCPUs' threads, by unit and by host instruction.
 *
 * A timer of each thread's CPU time interrupts it; the signal's handler counts in a table that has a word for every
 * byte of code. So emitted code is the same as without sampling. When memory of the cache is to be used again its
 * counts are gathered by the units' names, with a copy of the code.
 *
 * Not here: which unit the core and plugins work for while they are sampled.
 */
#include <core/tc/watch.h>

#include <core/trace/symbols.h>
#include <core/trace/trace.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { SAMPLE_NS = 1000000, MOST_INSN_BYTES = 15 };

/* A guest instruction of a unit: where its code begins, and what it was. */
typedef struct hot_insn {
    uint64_t pc;
    uint32_t offset;
    uint8_t length; /* 0: no instruction's code follows */
    uint8_t bytes[MOST_INSN_BYTES];
} hot_insn;

/* Of a unit, from when it is published. */
typedef struct hot_note {
    const pb_cpu_type *cpu;
    pb_tc_key key;     /* tc_watch_key() */
    uint32_t insns, n; /* instructions; entries, by offset */
    hot_insn at[];
} hot_note;

/* All units of one name, gathered. Code, note and hits are those of the one with the most samples. */
typedef struct hot_unit {
    pb_tc_key key; /* first */
    uint64_t samples, most;
    hot_note *note;
    const uint8_t *place; /* where the code was */
    uint8_t *code;
    uint32_t *hits; /* one for each byte of code */
    uint32_t bytes;
} hot_unit;

struct tc_hot {
    pb_tc *tc;
    uint32_t *hits;   /* atomic; one for each byte of the cache, taken as it is used */
    hot_note **notes; /* by number of the unit */
    GHashTable *units;
    uint64_t thunks, elsewhere; /* samples; atomic */
    uint64_t once;              /* in code that was not published; under tc->lock */
};

/* ---- sampling -------------------------------------------------------------------------------------------- */

static _Thread_local tc_hot *volatile sampled;
static _Thread_local uint32_t timed; /* `timing` when the thread's timer was made */

static struct {
    GMutex lock;
    GArray *timers;
    uint32_t timing; /* counts tc_hot_start() */
    struct sigaction before;
} sampling;

void tc_hot_sample(tc_hot *hot, const void *host)
{
    uint64_t offset = (uint64_t)((const uint8_t *)host - hot->tc->rx);

    if (offset >= hot->tc->bytes)
        __atomic_add_fetch(&hot->elsewhere, 1, __ATOMIC_RELAXED);
    else if (offset < slab_bytes(hot->tc))
        __atomic_add_fetch(&hot->thunks, 1, __ATOMIC_RELAXED);
    else
        __atomic_add_fetch(&hot->hits[offset], 1, __ATOMIC_RELAXED);
}

static void on_timer(int number, siginfo_t *info, void *context)
{
    const ucontext_t *at = context;
    tc_hot *hot = sampled;

    (void)number;
    (void)info;
    if (!hot)
        return;
#if defined(__x86_64__)
    tc_hot_sample(hot, (const void *)(uintptr_t)at->uc_mcontext.gregs[REG_RIP]);
#elif defined(__aarch64__)
    tc_hot_sample(hot, (const void *)(uintptr_t)at->uc_mcontext.pc);
#else
    (void)at;
#endif
}

bool tc_hot_start(GError **error)
{
    struct sigaction action = { .sa_sigaction = on_timer, .sa_flags = SA_SIGINFO | SA_RESTART };

    sigemptyset(&action.sa_mask);
    if (sigaction(SIGPROF, &action, &sampling.before) < 0) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "cannot sample: %s",
                    g_strerror(errno));
        return false;
    }
    sampling.timers = g_array_new(FALSE, FALSE, sizeof(timer_t));
    sampling.timing++;
    return true;
}

/* A signal may still be on its way: it is ignored, and that is left so. */
void tc_hot_stop(void)
{
    if (!sampling.timers)
        return;
    for (uint32_t i = 0; i < sampling.timers->len; i++)
        timer_delete(g_array_index(sampling.timers, timer_t, i));
    g_clear_pointer(&sampling.timers, g_array_unref);
    if (sampling.before.sa_handler == SIG_DFL)
        sampling.before.sa_handler = SIG_IGN;
    sigaction(SIGPROF, &sampling.before, NULL);
}

/* Of this thread's CPU time: who sleeps is not interrupted. */
static void start_timer(void)
{
    const struct itimerspec each = { .it_interval.tv_nsec = SAMPLE_NS,
                                     .it_value.tv_nsec = SAMPLE_NS };
    struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF };
    timer_t timer;

    event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
    timed = sampling.timing;
    if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) < 0 ||
        timer_settime(timer, 0, &each, NULL) < 0) {
        g_warning("a thread is not sampled: %s", g_strerror(errno));
        return;
    }
    g_mutex_lock(&sampling.lock);
    g_array_append_val(sampling.timers, timer);
    g_mutex_unlock(&sampling.lock);
}

void tc_hot_enter(tc_hot *hot)
{
    sampled = hot;
    if (timed != sampling.timing)
        start_timer();
}

void tc_hot_leave(tc_hot *hot)
{
    (void)hot;
    sampled = NULL;
}

/* ---- notes ----------------------------------------------------------------------------------------------- */

/* The instruction's bytes; what cannot be read is left out. */
static void copy_insn(const ir_unit *ir, const ir_mark *mark, hot_insn *to)
{
    to->pc = mark->pc;
    to->length = (uint8_t)MIN(mark->length, MOST_INSN_BYTES);
    for (uint32_t i = 0; i < to->length; i++) {
        uint64_t at = mark->pc + i;
        uint32_t page = (at ^ ir->pc) >> PB_PAGE_BITS ? 1 : 0;

        if (page < ir->n_pages && ir->pages[page].host)
            to->bytes[i] = ir->pages[page].host[at & PB_PAGE_MASK];
    }
}

static hot_note *note_of(const tc_unit *u, const ir_unit *ir, const pb_code_job *job)
{
    hot_note *note = g_malloc0(sizeof(*note) + job->n_lines * sizeof(hot_insn));

    note->cpu = ir->cpu;
    note->key = tc_watch_key(u, ir);
    note->insns = ir->n_marks;
    note->n = job->n_lines;
    for (uint32_t i = 0; i < job->n_lines; i++) {
        note->at[i].offset = MIN(job->lines[i].offset, job->bytes);
        if (job->lines[i].mark < ir->n_marks)
            copy_insn(ir, &ir->marks[job->lines[i].mark], &note->at[i]);
    }
    return note;
}

static size_t note_bytes(const hot_note *note)
{
    return sizeof(*note) + note->n * sizeof(hot_insn);
}

/* ---- gathering ------------------------------------------------------------------------------------------- */

static guint hash_unit(gconstpointer p)
{
    const pb_tc_key *key = p;
    uint64_t h = (key->pc ^ key->key << 32 ^ (uintptr_t)key->page) * UINT64_C(0x9e3779b97f4a7c15);

    return (guint)(h >> 32) + key->flags;
}

static gboolean same_unit(gconstpointer a, gconstpointer b)
{
    const pb_tc_key *x = a, *y = b;

    return x->pc == y->pc && x->key == y->key && x->page == y->page && x->flags == y->flags;
}

static void free_unit(gpointer p)
{
    hot_unit *unit = p;

    g_free(unit->note);
    g_free(unit->code);
    g_free(unit->hits);
    g_free(unit);
}

static hot_unit *unit_named(tc_hot *hot, const pb_tc_key *key)
{
    hot_unit *unit = g_hash_table_lookup(hot->units, key);

    if (!unit) {
        unit = g_new0(hot_unit, 1);
        unit->key = *key;
        g_hash_table_insert(hot->units, unit, unit);
    }
    return unit;
}

/* Take the counts of a range away; into `each`, one for each byte, if it is not null. */
static uint64_t take_hits(tc_hot *hot, const uint8_t *rx, uint32_t bytes, uint32_t *each)
{
    uint32_t *hits = &hot->hits[rx - hot->tc->rx];
    uint64_t sum = 0;

    for (uint32_t i = 0; i < bytes; i++) {
        uint32_t n = hits[i] ? __atomic_exchange_n(&hits[i], 0, __ATOMIC_RELAXED) : 0;

        sum += n;
        if (each)
            each[i] += n;
    }
    return sum;
}

static bool any_hit(const tc_hot *hot, const tc_unit *u)
{
    const uint32_t *hits = &hot->hits[u->head.code - hot->tc->rx];

    for (uint32_t i = 0; i < u->head.bytes; i++)
        if (hits[i])
            return true;
    return false;
}

static void gather_unit(tc_hot *hot, const tc_unit *u)
{
    const hot_note *note = hot->notes[number_of(hot->tc, u)];
    hot_unit *unit = unit_named(hot, &note->key);
    uint32_t bytes = u->head.bytes;
    uint32_t *each = g_new0(uint32_t, bytes);
    uint64_t sum = take_hits(hot, u->head.code, bytes, each);

    unit->samples += sum;
    if (unit->place == u->head.code && unit->bytes == bytes) { /* the same one, reported before */
        for (uint32_t i = 0; i < bytes; i++)
            unit->hits[i] += each[i];
        unit->most += sum;
    } else if (sum > unit->most) {
        g_free(unit->note);
        g_free(unit->code);
        g_free(unit->hits);
        unit->most = sum;
        unit->place = u->head.code;
        unit->note = g_memdup2(note, note_bytes(note));
        unit->code = g_memdup2(u->head.code, bytes);
        unit->hits = g_steal_pointer(&each);
        unit->bytes = bytes;
    }
    g_free(each);
}

static void gather(tc_hot *hot, const tc_slab *slab)
{
    for (uint32_t i = 0; i < slab->n_units; i++) {
        const tc_unit *u = &hot->tc->units[first_unit(hot->tc, slab) + i];

        if (u->state != TC_UNIT_SECOND && any_hit(hot, u))
            gather_unit(hot, u);
    }
    hot->once += take_hits(hot, slab_code(hot->tc, slab->index), slab_bytes(hot->tc), NULL);
}

void tc_hot_published(tc_hot *hot, tc_unit *u, const ir_unit *ir, const pb_code_job *job)
{
    hot->once += take_hits(hot, u->head.code, u->head.bytes, NULL); /* of what was there before */
    hot->notes[number_of(hot->tc, u)] = note_of(u, ir, job);
}

void tc_hot_reclaimed(tc_hot *hot, const tc_slab *slab)
{
    gather(hot, slab);
    for (uint32_t i = 0; i < slab->n_units; i++)
        g_clear_pointer(&hot->notes[first_unit(hot->tc, slab) + i], g_free);
}

tc_hot *tc_hot_new(pb_tc *tc)
{
    tc_hot *hot = g_new0(tc_hot, 1);

    hot->tc = tc;
    hot->hits = mmap(NULL, tc->bytes * sizeof(*hot->hits), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (hot->hits == MAP_FAILED)
        g_error("no memory to count samples in");
    hot->notes = g_new0(hot_note *, (size_t)tc->n_slabs * slab_units(tc));
    hot->units = g_hash_table_new_full(hash_unit, same_unit, NULL, free_unit);
    return hot;
}

void tc_hot_free(tc_hot *hot)
{
    if (sampled == hot)
        sampled = NULL;
    for (size_t i = 0; i < (size_t)hot->tc->n_slabs * slab_units(hot->tc); i++)
        g_free(hot->notes[i]);
    g_free(hot->notes);
    munmap(hot->hits, hot->tc->bytes * sizeof(*hot->hits));
    g_hash_table_unref(hot->units);
    g_free(hot);
}

/* ---- the report ------------------------------------------------------------------------------------------ */

#if defined(__x86_64__)
static const pb_cpu_type host_cpu = { .capstone = { 3, 1 << 3 },
                                      .insn_align = 1 }; /* X86, 64 bits */
#else
static const pb_cpu_type host_cpu = { .capstone = { 1, 0 }, .insn_align = 4 }; /* ARM64 */
#endif

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static uint64_t hits_between(const hot_unit *unit, uint32_t from, uint32_t to)
{
    uint64_t sum = 0;

    for (uint32_t i = from; i < to; i++)
        sum += unit->hits[i];
    return sum;
}

/* A share of the unit's samples; blank if there were none. */
static void append_share(const hot_unit *unit, uint32_t from, uint32_t to, GString *text)
{
    uint64_t hits = hits_between(unit, from, to);

    if (hits)
        g_string_append_printf(text, " %5.1f%%", percent(hits, unit->most));
    else
        g_string_append(text, "       ");
}

static uint32_t offset_of_line(const hot_unit *unit, const char *line)
{
    return (uint32_t)(g_ascii_strtoull(line, NULL, 16) - (uintptr_t)unit->place);
}

/* With `sampled_only`, only instructions that samples are of. */
static void append_host(const hot_unit *unit, uint32_t from, uint32_t to, bool sampled_only,
                        GString *text)
{
    g_autoptr(GString) code = g_string_new(NULL);
    g_auto(GStrv) lines = NULL;

    pb_trace_disassemble(&host_cpu, (uintptr_t)unit->place + from, unit->code + from, to - from,
                         code);
    lines = g_strsplit(code->str, "\n", -1);
    for (char **line = lines; *line && **line; line++) {
        uint32_t next = line[1] && *line[1] ? offset_of_line(unit, line[1]) : to;

        if (sampled_only && hits_between(unit, offset_of_line(unit, *line), next) == 0)
            continue;
        append_share(unit, offset_of_line(unit, *line), next, text);
        g_string_append_printf(text, "      %s\n", *line);
    }
}

/* The code of one guest instruction, or what lies before the first or behind the last one: slow paths, ways out and
 * tables, of which there is much that never executes. */
static void append_insn(const hot_unit *unit, const hot_insn *insn, uint32_t from, uint32_t to,
                        GString *text)
{
    append_share(unit, from, to, text);
    if (insn && insn->length) {
        gsize start = text->len;

        g_string_append(text, "  ");
        pb_trace_disassemble(unit->note->cpu, insn->pc, insn->bytes, insn->length, text);
        pb_symbols_annotate(text, start);
    } else {
        g_string_append(text, insn ? "  off the main path\n" : "  entry\n");
    }
    append_host(unit, from, to, insn && !insn->length, text);
}

static void append_unit(const hot_unit *unit, unsigned place, uint64_t all, GString *text)
{
    const hot_note *note = unit->note;

    g_string_append_printf(text, "\n%u. %.1f%% ", place, percent(unit->samples, all));
    tc_watch_name(&unit->key, note->cpu, text);
    g_string_append_printf(text, ": %" PRIu64 " samples, %u guest instructions, %u bytes of code\n",
                           unit->samples, note->insns, unit->bytes);
    append_insn(unit, NULL, 0, note->n ? note->at[0].offset : unit->bytes, text);
    for (uint32_t i = 0; i < note->n; i++) {
        uint32_t end = i + 1 < note->n ? note->at[i + 1].offset : unit->bytes;

        append_insn(unit, &note->at[i], note->at[i].offset, MAX(end, note->at[i].offset), text);
    }
}

static gint by_samples(gconstpointer a, gconstpointer b)
{
    const hot_unit *const *x = a, *const *y = b;

    if ((*x)->samples != (*y)->samples)
        return (*x)->samples < (*y)->samples ? 1 : -1;
    return (*x)->key.pc < (*y)->key.pc ? -1 : (*x)->key.pc > (*y)->key.pc;
}

static GPtrArray *sorted_units(tc_hot *hot, uint64_t *sum)
{
    GPtrArray *units = g_ptr_array_new();
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, hot->units);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        g_ptr_array_add(units, value);
        *sum += ((const hot_unit *)value)->samples;
    }
    g_ptr_array_sort(units, by_samples);
    return units;
}

void tc_hot_report(tc_hot *hot, unsigned count, GString *text)
{
    pb_tc *tc = hot->tc;
    uint64_t in_units = 0, all;
    g_autoptr(GPtrArray) units = NULL;

    pthread_mutex_lock(&tc->lock);
    for (uint32_t i = 1; i < tc->n_slabs; i++)
        if (tc->slabs[i].used || tc->slabs[i].n_units)
            gather(hot, &tc->slabs[i]);
    units = sorted_units(hot, &in_units);
    all = in_units + hot->thunks + hot->elsewhere + hot->once;
    g_string_append_printf(text,
                           "hot units: %" PRIu64
                           " samples: %.1f%% in %u units, %.1f%% in thunks, %.1f%% in code "
                           "executed once, %.1f%% in the core and plugins\n",
                           all, percent(in_units, all), units->len, percent(hot->thunks, all),
                           percent(hot->once, all), percent(hot->elsewhere, all));
    for (uint32_t i = 0; i < units->len && i < count; i++)
        append_unit(units->pdata[i], i + 1, all, text);
    pthread_mutex_unlock(&tc->lock);
}
