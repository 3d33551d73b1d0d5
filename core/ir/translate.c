/*
 * The driver of translators: see translate.h.
 */
#include <core/ir/translate.h>

#include <core/ir/ops.h>
#include <core/ir/text.h>
#include <core/ir/verify.h>
#include <core/util/guard.h>

static pb_translate_hooks hooks;

void pb_translate_set_hooks(const pb_translate_hooks *new_hooks)
{
    hooks = new_hooks ? *new_hooks : (pb_translate_hooks){ 0 };
}

/* ---- debuggers -------------------------------------------------------------------------------------- */

static const pb_translate_debugger *debugger; /* atomic */

void pb_translate_set_debugger(const pb_translate_debugger *new_debugger)
{
    __atomic_store_n(&debugger, new_debugger, __ATOMIC_RELEASE);
}

static pb_translate_stop stop_at(pb_vcpu *vcpu, uint64_t pc)
{
    const pb_translate_debugger *d = __atomic_load_n(&debugger, __ATOMIC_ACQUIRE);

    return d ? d->stop_at(vcpu, pc) : PB_TRANSLATE_ON;
}

static bool steps(pb_vcpu *vcpu)
{
    const pb_translate_debugger *d = __atomic_load_n(&debugger, __ATOMIC_ACQUIRE);

    return d && d->steps(vcpu);
}

/* ---- reading code --------------------------------------------------------------------------------- */

enum { LINE_BYTES = 64 }; /* that are named together */

/* Reads code of at most two pages: the unit's, and the next one for an instruction that spans them. */
typedef struct reader {
    pb_code_reader head; /* first: what the translator gets */
    pb_vcpu *vcpu;
    ir_unit *u; /* that is made of what is read */
    uint32_t mmu;
    uint64_t address_mask; /* of the pc's type */
    struct {
        bool known;
        uint64_t gva;
        uint64_t named;   /* bit i: the 64 bytes from 64 i on, by code_reads */
        bool is_compared; /* writes are not noticed: what is read comes from a copy */
        pb_code_page page;
    } pages[2];
    /* A copy of the last 64 bytes of the first page that were read from, which are named: `line_bytes` is 64 then, or 0. */
    uint8_t line[LINE_BYTES];
    uint64_t line_gva;
    uint32_t line_bytes;
    bool apart;   /* the first page is known from the start, and nothing else can be read */
    bool crossed; /* something was read from the second page */
    bool failed;
    pb_guest_fault fault;
} reader;

/* Bytes that are not RAM: one bus access a byte, as instruction fetches. */
static bool fetch(reader *r, uint64_t gva, uint8_t *bytes, uint32_t length)
{
    pb_walk_request request = { .gva = gva, .type = PB_ACCESS_FETCH, .mmu = r->mmu };
    pb_translation t;

    if (r->vcpu->ops->translate(r->vcpu, &request, &t, &r->fault) != PB_MEM_OK)
        return false;
    t.attrs.instruction = 1;
    t.attrs.requester = r->vcpu->index;
    for (uint32_t i = 0; i < length; i++) {
        uint64_t value = 0;

        if (r->vcpu->ops->phys_read(r->vcpu, t.gpa + i, t.attrs, 1, &value) != PB_BUS_OK) {
            r->fault = (pb_guest_fault){
                .kind = PB_FAULT_BUS, .type = PB_ACCESS_FETCH, .gva = gva + i, .gpa = t.gpa + i
            };
            return false;
        }
        bytes[i] = (uint8_t)value;
    }
    return true;
}

/* Before bytes are read; of each line of the page once. False: what had to be copied is not there any more. */
static bool name_bytes(reader *r, uint32_t page, uint32_t first, uint32_t length)
{
    const pb_vcpu_ops *ops = r->vcpu->ops;
    uint64_t lines =
        UINT64_C(1) << (first / LINE_BYTES) | UINT64_C(1) << ((first + length - 1) / LINE_BYTES);

    if (!(lines & ~r->pages[page].named) || !PB_HAS(ops, code_reads) || !ops->code_reads)
        return true;
    r->pages[page].named |= lines;
    if (ops->code_reads(r->vcpu, &r->pages[page].page, first, length) || r->pages[page].is_compared)
        return true;
    if (!r->u->bytes[page])
        r->u->bytes[page] = g_malloc(PB_PAGE_SIZE);
    r->pages[page].is_compared = true;
    return pb_guard_copy(r->u->bytes[page], r->pages[page].page.host, PB_PAGE_SIZE);
}

/* Whether a page of memory is there: on a vCPU's thread it is, because changes wait for the vCPU, and the end of a file
 * gets memory (core/user/signal.c). A compiler finds what the program has made of it since, and gives up. */
static bool read_memory(reader *r, uint32_t page, uint64_t gva, uint8_t *bytes, uint32_t length)
{
    uint32_t at = (uint32_t)(gva & PB_PAGE_MASK), line = at & ~(LINE_BYTES - 1u);
    const uint8_t *from;

    if (!name_bytes(r, page, at, length))
        return false;
    from = r->pages[page].is_compared ? r->u->bytes[page] : r->pages[page].page.host;
    if (page == 0) {
        if (!pb_guard_copy(r->line, from + line, LINE_BYTES))
            return false;
        r->line_gva = gva & ~(uint64_t)(LINE_BYTES - 1);
        r->line_bytes = LINE_BYTES;
    }
    return pb_guard_copy(bytes, from + at, length);
}

/* Read bytes that lie on one page. */
static bool read_page(reader *r, uint64_t gva, uint8_t *bytes, uint32_t length)
{
    uint64_t base = gva & ~PB_PAGE_MASK;
    uint32_t i = r->pages[0].known && r->pages[0].gva != base;

    r->line_bytes = 0;
    if (!r->pages[i].known || r->pages[i].gva != base) {
        if (r->apart ||
            r->vcpu->ops->code(r->vcpu, gva, r->mmu, &r->pages[i].page, &r->fault) != PB_MEM_OK)
            return false;
        r->pages[i].known = true;
        r->pages[i].gva = base;
        r->pages[i].named = 0;
        r->pages[i].is_compared = false;
    }
    r->crossed |= i == 1;
    if (!r->pages[i].page.host)
        return fetch(r, gva, bytes, length);
    return read_memory(r, i, gva, bytes, length);
}

static __attribute__((noinline)) bool read_lines(reader *r, uint64_t pc, uint8_t *to,
                                                 uint32_t length)
{
    while (length && !r->failed) {
        uint64_t gva = pc & r->address_mask;
        uint32_t here = (uint32_t)MIN(length, PB_PAGE_SIZE - (gva & PB_PAGE_MASK));

        if (!read_page(r, gva, to, here)) {
            r->failed = true;
            r->fault.type = PB_ACCESS_FETCH;
        }
        pc += here;
        to += here;
        length -= here;
    }
    return !r->failed;
}

/* Most instructions are four bytes of the same line as the one before. */
static bool read_code(pb_code_reader *head, uint64_t pc, void *bytes, uint32_t length)
{
    reader *r = (reader *)head;
    uint64_t at = (pc & r->address_mask) - r->line_gva;

    if (length != 4 || at > LINE_BYTES - 4 || !r->line_bytes)
        return read_lines(r, pc, bytes, length);
    memcpy(bytes, r->line + at, 4);
    return true;
}

/* ---- one unit -------------------------------------------------------------------------------------- */

enum { MOST_EXITS = 16 };

typedef struct driver {
    pb_vcpu *vcpu;
    const pb_cpu_type *cpu;
    ir_unit *u;
    ir_builder b;
    reader reader;
    void *ctx;
    pb_translate_limits limits;
    bool (*ends)(void *opaque, uint64_t pc); /* null: nowhere */
    void *opaque;
    /* Jumps that leave the unit for instructions of its page; the last ones, if there are many. */
    uint32_t n_exits;
    uint64_t exits_at; /* exit_bit() of their targets */
    struct {
        uint64_t pc;
        uint32_t record;
    } exits[MOST_EXITS];
} driver;

/* The unit's length before an instruction, to take the instruction back. */
typedef struct checkpoint {
    uint32_t n_ops, n_extra, n_blocks, n_marks, block, jump_flags;
} checkpoint;

static checkpoint remember(const driver *d)
{
    return (checkpoint){ d->u->n_ops,   d->u->n_extra, d->u->n_blocks,
                         d->u->n_marks, d->b.block,    d->b.jump_flags };
}

static void take_back(driver *d, const checkpoint *c)
{
    d->u->n_ops = c->n_ops;
    d->u->n_extra = c->n_extra;
    d->u->n_blocks = c->n_blocks;
    d->u->n_marks = c->n_marks;
    d->b.block = c->block;
    d->b.jump_flags = c->jump_flags;
    d->u->blocks[c->block].end = 0;
    d->reader.crossed = false;
}

static bool on_page(const driver *d, uint64_t pc)
{
    return (pc & ~PB_PAGE_MASK) == (d->u->pc & ~PB_PAGE_MASK);
}

static bool in_unit(const driver *d, uint64_t pc)
{
    for (uint32_t i = 0; i < d->u->n_marks; i++)
        if (d->u->marks[i].pc == pc)
            return true;
    return false;
}

/* If the unit's last record is a jump that can be followed, take it back and give its target. */
static bool follow(driver *d, uint64_t *pc)
{
    ir_unit *u = d->u;
    const ir_op_record *last = &u->ops[u->n_ops - 1];
    uint32_t block;

    if (!d->limits.follow || u->overflow || last->op != IR_OP_JUMP || last->attr & IR_NEW_KEY)
        return false;
    *pc = u->consts[last->arg[0] & ~IR_CONST_BIT].value.lo;
    if (!on_page(d, *pc) || in_unit(d, *pc))
        return false;
    for (block = u->n_blocks; block-- > 0;)
        if (u->blocks[block].end == u->n_ops)
            break;
    u->n_ops--;
    u->blocks[block].end = 0;
    d->b.block = block;
    return true;
}

/* Most instructions are no target: a hash of 64 places says so. */
static uint32_t exit_bit(uint64_t pc)
{
    return (pc ^ pc >> 2) & 63;
}

/* Remember the jumps among the records from `first` on. */
static void note_exits(driver *d, uint32_t first)
{
    for (uint32_t i = first; i < d->u->n_ops; i++) {
        const ir_op_record *r = &d->u->ops[i];
        uint32_t at;

        if (r->op != IR_OP_JUMP || r->attr & IR_NEW_KEY)
            continue;
        at = d->n_exits++ % MOST_EXITS;
        d->exits_at |= UINT64_C(1) << exit_bit(d->u->consts[r->arg[0] & ~IR_CONST_BIT].value.lo);
        d->exits[at].pc = d->u->consts[r->arg[0] & ~IR_CONST_BIT].value.lo;
        d->exits[at].record = i;
    }
}

static void begin(driver *d, uint64_t pc)
{
    memset(d->ctx, 0, d->cpu->translator->ctx_size);
    d->cpu->translator->begin(d->ctx, &d->b, d->vcpu, pc, d->u->key);
}

static void make_branch(driver *d, uint32_t record, ir_block to)
{
    uint32_t at = ir_target(&d->b, to, NULL, 0);

    d->u->ops[record] = (ir_op_record){ .op = IR_OP_BR,
                                        .type = IR_VOID,
                                        .guest = d->u->ops[record].guest,
                                        .arg = { IR_NO_VAL, IR_NO_VAL, IR_NO_VAL, IR_NO_VAL },
                                        .aux = at };
}

/* Where the unit goes on with an instruction that it has jumps to, a block begins and they become branches to it: what
 * follows an `if` is translated once, and reached without leaving. What the translator knew of the way there does not
 * hold for the others. */
static void join(driver *d, uint64_t pc)
{
    uint32_t n = MIN(d->n_exits, MOST_EXITS), i = 0;
    ir_block block;

    if (!(d->exits_at >> exit_bit(pc) & 1))
        return;
    while (i < n && d->exits[i].pc != pc)
        i++;
    if (i == n || d->b.jump_flags || d->u->overflow)
        return;
    block = ir_block_new(&d->b);
    ir_br(&d->b, block, NULL, 0);
    for (; i < n; i++)
        if (d->exits[i].pc == pc)
            make_branch(d, d->exits[i].record, block);
    ir_block_begin(&d->b, block);
    begin(d, pc);
}

/* Whether the unit must end after n instructions. An instruction that spans pages, or is not in RAM, stands
 * alone. */
static bool is_full(const driver *d, uint32_t n)
{
    return n >= d->limits.max_insns || d->reader.crossed || !d->reader.pages[0].page.host;
}

/* Translate instructions from the unit's pc on. False: the first one cannot be fetched. */
static bool translate_insns(driver *d)
{
    uint64_t pc = d->u->pc;
    uint32_t n = 0;

    for (;;) {
        checkpoint before;
        pb_tr_status status;

        if (n > 0 &&
            (stop_at(d->vcpu, pc) != PB_TRANSLATE_ON || (d->ends && d->ends(d->opaque, pc)))) {
            ir_jump(&d->b, pc);
            return true;
        }
        join(d, pc);
        before = remember(d);
        status = d->cpu->translator->insn(d->ctx, &d->b, &d->reader.head, pc);
        if (d->u->overflow)
            return true;
        if (status == PB_TR_FETCH_FAULT) {
            if (n == 0)
                return false;
            take_back(d, &before);
            ir_jump(&d->b, pc);
            return true;
        }
        if (d->reader.crossed && n > 0) {
            take_back(d, &before);
            ir_jump(&d->b, pc);
            return true;
        }
        n++;
        if (status == PB_TR_NEXT) {
            pc = (pc + d->u->marks[d->u->n_marks - 1].length) & d->reader.address_mask;
            if (is_full(d, n) || !on_page(d, pc)) {
                ir_jump(&d->b, pc);
                return true;
            }
        } else if (is_full(d, n) || !follow(d, &pc)) {
            return true;
        } else {
            note_exits(d, before.n_ops);
        }
    }
}

/* A unit that leaves at its own pc: at a breakpoint, and what is executed if the translator is broken. */
static void make_stop(driver *d, uint32_t reason)
{
    pb_ir_unit_reset(d->u, d->cpu, d->u->pc, d->u->key);
    d->b = pb_ir_builder(d->u);
    ir_block_begin(&d->b, ir_block_new(&d->b));
    ir_exit(&d->b, reason, d->u->pc);
}

/* Our bug, or the plugin's: the machine is ended in an orderly way. */
static void broken(driver *d, const char *what)
{
    pb_object *object = d->vcpu->object;

    if (object) {
        pb_log(object, PB_LOG_WARNING, "translator of %s, pc 0x%" PRIx64 ": %s", d->cpu->head.name,
               d->u->pc, what);
        object->ops->request(object, PB_MACHINE_POWER_OFF, 70); /* EX_SOFTWARE */
    } else {
        g_warning("translator of %s, pc 0x%" PRIx64 ": %s", d->cpu->head.name, d->u->pc, what);
    }
    make_stop(d, PB_RUN_REQUEST);
}

static bool translate_once(driver *d)
{
    uint64_t pc = d->u->pc, key = d->u->key;
    uint32_t mmu = d->cpu->translator->fetch_mmu(key);

    pb_ir_unit_reset(d->u, d->cpu, pc, key);
    d->b = pb_ir_builder(d->u);
    d->b.on_insn = hooks.insn;
    d->reader = (reader){ .head = { .size = sizeof(pb_code_reader), .read = read_code },
                          .vcpu = d->vcpu,
                          .u = d->u,
                          .mmu = mmu,
                          .address_mask = ir_sem_mask(ir_type_bits[d->u->pc_type]) };
    d->n_exits = 0;
    d->exits_at = 0;
    ir_block_begin(&d->b, ir_block_new(&d->b));
    begin(d, pc);
    return translate_insns(d);
}

/* Which pages the unit stands for; a unit of bytes that are not RAM stands for none. */
static void note_pages(driver *d)
{
    for (uint32_t i = 0; i < 2; i++) {
        const pb_code_page *page = &d->reader.pages[i].page;

        if (!d->reader.pages[i].known || (i && !d->reader.crossed))
            continue;
        if (!page->host) {
            d->u->n_pages = 0;
            return;
        }
        if (d->reader.pages[i].is_compared)
            d->u->compares |= 1u << d->u->n_pages;
        d->u->pages[d->u->n_pages++] = *page;
    }
}

static void check(driver *d)
{
#ifndef NDEBUG
    g_autoptr(GError) error = NULL;

    if (!pb_ir_verify(d->u, &error)) {
        g_autoptr(GString) text = g_string_new(NULL);

        pb_ir_print(d->u, text);
        g_printerr("%s", text->str);
        broken(d, error->message);
    }
#endif
}

/* What was a way to the next unit becomes one to the debugger. */
static void stop_behind(driver *d)
{
    for (uint32_t i = 0; i < d->u->n_ops; i++) {
        ir_op_record *r = &d->u->ops[i];

        if (r->op != IR_OP_JUMP && r->op != IR_OP_JUMP_IND)
            continue;
        r->op = IR_OP_EXIT;
        r->attr = PB_RUN_DEBUG;
    }
}

/* Where a debugger stops, or has stopped lately: what is made is of one instruction at most. */
static bool is_apart(driver *d)
{
    if (!steps(d->vcpu) && stop_at(d->vcpu, d->u->pc) == PB_TRANSLATE_ON)
        return false;
    d->limits = (pb_translate_limits){ .max_insns = 1 };
    return true;
}

static bool is_stop(pb_vcpu *vcpu, uint64_t pc)
{
    return steps(vcpu) ? !debugger->take_step(vcpu) : stop_at(vcpu, pc) == PB_TRANSLATE_STOP;
}

static ir_unit *translate_until(pb_vcpu *vcpu, uint64_t pc, uint64_t key,
                                const pb_translate_limits *limits,
                                bool (*ends)(void *opaque, uint64_t pc), void *opaque,
                                ir_unit *reuse, pb_guest_fault *fault)
{
    bool apart;
    driver d = { .vcpu = vcpu,
                 .cpu = vcpu->type,
                 .u = reuse ? reuse : pb_ir_unit_new(vcpu->type),
                 .limits = *limits,
                 .ends = ends,
                 .opaque = opaque };
    bool fetched;

    d.ctx = g_malloc0(MAX(d.cpu->translator->ctx_size, 1));
    pb_ir_unit_reset(d.u, d.cpu, pc, key);
    d.limits.max_insns = MAX(d.limits.max_insns, 1);
    apart = is_apart(&d);
    if (apart && is_stop(vcpu, pc)) {
        make_stop(&d, PB_RUN_DEBUG);
        g_free(d.ctx);
        return d.u;
    }
    /* Too long for a unit: half of it is not. */
    while ((fetched = translate_once(&d)) && d.u->overflow && !d.u->misuse &&
           d.limits.max_insns > 1)
        d.limits.max_insns = MIN(d.limits.max_insns, d.u->n_marks + 1) / 2;
    g_free(d.ctx);
    if (!fetched) {
        *fault = d.reader.fault;
        if (!reuse)
            pb_ir_unit_free(d.u);
        return NULL;
    }
    if (d.u->overflow) {
        broken(&d, d.u->misuse ? d.u->misuse : "an instruction is too long");
        return d.u;
    }
    if (!apart) /* without pages it is not kept */
        note_pages(&d);
    if (apart && steps(vcpu))
        stop_behind(&d);
    check(&d);
    if (hooks.unit)
        hooks.unit(vcpu, d.u);
    return d.u;
}

static ir_unit *translate(pb_vcpu *vcpu, uint64_t pc, uint64_t key,
                          const pb_translate_limits *limits, ir_unit *reuse, pb_guest_fault *fault)
{
    return translate_until(vcpu, pc, key, limits, NULL, NULL, reuse, fault);
}

/* ---- regions ----------------------------------------------------------------------------------------- */

/* Pieces are translated one after the other, each up to a jump that cannot be followed or to where another piece begins.
 * A jump into the middle of a piece makes a piece of its target, and all is done again with that known. At the end
 * jumps to pieces become branches. */
typedef struct region {
    driver d;
    const pb_region_request *request;
    bool closed;   /* no more of them are asked for */
    bool has_cut;  /* a piece ended with a call before it, in this round */
    bool no_calls; /* none is followed */
    uint32_t n;
    struct {
        uint64_t pc;
        uint32_t
            block; /* that begins with it; nothing but a jump there if it cannot be translated here */
    } pieces[PB_REGION_PIECES];
} region;

static uint32_t piece_at(const region *g, uint64_t pc)
{
    uint32_t i = 0;

    while (i < g->n && g->pieces[i].pc != pc)
        i++;
    return i;
}

static bool add_piece(region *g, uint64_t pc)
{
    if (g->n == MIN(g->request->max_pieces, PB_REGION_PIECES))
        return false;
    g->pieces[g->n++].pc = pc;
    return true;
}

/* The piece ends where another one begins, or with as many instructions as it or the region may have. */
static bool piece_ends(const region *g, uint64_t pc, uint32_t n)
{
    return !on_page(&g->d, pc) || stop_at(g->d.vcpu, pc) != PB_TRANSLATE_ON ||
           piece_at(g, pc) < g->n || in_unit(&g->d, pc) || n == g->request->piece_insns ||
           g->d.u->n_marks >= g->request->max_insns;
}

/* A call that a piece goes on behind, in what is called. */
typedef struct piece_call {
    bool open; /* it has not returned yet */
    uint64_t pc, back;
    checkpoint before;
} piece_call;

/* The unit's last record was followed, from the instruction at pc. Of calls in calls the first one is of interest. */
static void note_call(piece_call *call, const ir_op_record *jump, uint64_t pc, uint64_t back,
                      uint64_t to, const checkpoint *before)
{
    if (call->open && jump->attr == IR_HINT_RETURN && to == call->back)
        call->open = false;
    else if (!call->open && jump->attr == IR_HINT_CALL)
        *call = (piece_call){ true, pc, back, *before };
}

/* The piece ends with the call, if it ends before what is called has returned: a loop through it would be one of calls, which the
 * first return leaves. */
static void end_with_call(region *g, const piece_call *call)
{
    driver *d = &g->d;

    if (!call->open || d->u->overflow)
        return;
    g->has_cut = true;
    take_back(d, &call->before);
    d->cpu->translator->insn(d->ctx, &d->b, &d->reader.head, call->pc);
    if (ir_block_open(&d->b)) { /* the code changes, or is not there any more */
        take_back(d, &call->before);
        ir_jump(&d->b, call->pc);
    }
}

/* False: its first instruction cannot be in a region. */
static bool translate_insns_of(region *g, uint64_t pc, piece_call *call)
{
    driver *d = &g->d;
    uint32_t n = 0;

    d->b.jump_flags = 0;
    if (stop_at(d->vcpu, pc) != PB_TRANSLATE_ON) {
        ir_jump(&d->b, pc);
        return false;
    }
    begin(d, pc);
    do {
        checkpoint before = remember(d);
        pb_tr_status status = d->cpu->translator->insn(d->ctx, &d->b, &d->reader.head, pc);
        uint64_t next;

        if (d->u->overflow)
            return true;
        if (status == PB_TR_FETCH_FAULT || d->reader.crossed || !d->reader.pages[0].page.host) {
            take_back(d, &before);
            ir_jump(&d->b, pc);
            return n > 0;
        }
        n++;
        next = (pc + d->u->marks[d->u->n_marks - 1].length) & d->reader.address_mask;
        if (status == PB_TR_NEXT) {
            pc = next;
        } else {
            ir_op_record last = d->u->ops[d->u->n_ops - 1];
            uint64_t from = pc;

            if ((g->no_calls && last.attr == IR_HINT_CALL) || !follow(d, &pc))
                return true;
            note_call(call, &last, from, next, pc, &before);
        }
    } while (!piece_ends(g, pc, n));
    ir_jump(&d->b, pc);
    return true;
}

static bool translate_piece(region *g, uint64_t pc)
{
    piece_call call = { .open = false };
    bool can = translate_insns_of(g, pc, &call);

    end_with_call(g, &call);
    return can;
}

/* Where a jump leads that may stay in the region; false: it leaves, as calls do. */
static bool target_of(const region *g, const ir_op_record *r, uint64_t *pc)
{
    if (r->op != IR_OP_JUMP || r->attr & IR_NEW_KEY || r->attr == IR_HINT_CALL)
        return false;
    *pc = g->d.u->consts[r->arg[0] & ~IR_CONST_BIT].value.lo;
    return on_page(&g->d, *pc);
}

/* Pieces for the targets of the records from `first` on. True: one lies within what was translated. */
static bool find_pieces(region *g, uint32_t first)
{
    bool split = false;
    uint64_t pc;

    for (uint32_t i = first; i < g->d.u->n_ops; i++) {
        if (!target_of(g, &g->d.u->ops[i], &pc) || piece_at(g, pc) < g->n)
            continue;
        if (in_unit(&g->d, pc))
            split |= add_piece(g, pc);
        else if (!g->closed && g->d.u->n_marks < g->request->max_insns &&
                 g->request->wanted(g->request->opaque, pc))
            add_piece(g, pc);
    }
    return split;
}

/* All pieces that are known and become known. False: a piece was found to be in the middle of another one. */
static bool translate_pieces(region *g)
{
    ir_unit *u = g->d.u;

    pb_ir_unit_reset(u, g->d.cpu, u->pc, u->key);
    g->d.b = pb_ir_builder(u);
    g->d.b.on_insn = hooks.insn;
    ir_block_begin(&g->d.b, ir_block_new(&g->d.b));
    ir_jump(&g->d.b, u->pc);
    for (uint32_t i = 0; i < g->n; i++) {
        uint32_t first = u->n_ops;
        ir_block block;

        if (i && u->n_marks >= g->request->max_insns) {
            g->n = i; /* what was not begun is left */
            break;
        }
        block = ir_block_new(&g->d.b);
        g->pieces[i].block = block.id;
        ir_block_begin(&g->d.b, block);
        if (translate_piece(g, g->pieces[i].pc))
            u->blocks[block.id].flags = IR_BLOCK_HEAD;
        if (u->overflow)
            return true;
        if (find_pieces(g, first))
            return false;
    }
    return true;
}

/* Jumps to pieces become branches. */
static void join_pieces(region *g)
{
    ir_unit *u = g->d.u;
    uint64_t pc;

    for (uint32_t i = 0; i < u->n_ops; i++) {
        uint32_t to = target_of(g, &u->ops[i], &pc) ? piece_at(g, pc) : g->n;

        if (to == g->n || u->blocks[g->pieces[to].block].first == i)
            continue;
        make_branch(&g->d, i, (ir_block){ g->pieces[to].block });
    }
}

/* Depth-first: blocks become 1 when they are met, 2 when they are done. Whether a branch leads back, to one that is
 * not done. */
static bool search(const ir_unit *u, uint32_t block, uint8_t *seen)
{
    pb_ir_target targets[PB_IR_MAX_TARGETS];
    int n = pb_ir_targets(u, &u->ops[u->blocks[block].end - 1], targets);
    bool loops = false;

    seen[block] = 1;
    for (int t = 0; t < n; t++) {
        loops |= seen[targets[t].block] == 1;
        if (!seen[targets[t].block])
            loops |= search(u, targets[t].block, seen);
    }
    seen[block] = 2;
    return loops;
}

/* Forget the pieces that nothing leads to, which were known from others that there was no room for. */
static bool forget_pieces(region *g, const uint8_t *seen)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < g->n; i++)
        if (seen[g->pieces[i].block])
            g->pieces[n++] = g->pieces[i];
    g->closed = n < g->n;
    g->n = n;
    return g->closed;
}

/* True: the unit is a region. */
static bool make_region(region *g)
{
    ir_unit *u = g->d.u;

    for (uint32_t round = 0; round < 4; round++) {
        g_autofree uint8_t *seen = NULL;
        bool loops;

        g->has_cut = false;
        /* Each time one piece more is known, of which there is a greatest number. */
        while (!translate_pieces(g))
            ;
        if (u->overflow)
            return false;
        join_pieces(g);
        if (u->overflow)
            return false;
        seen = g_new0(uint8_t, u->n_blocks);
        loops = search(u, 0, seen);
        if (!loops || !forget_pieces(g, seen))
            return loops;
        g->no_calls = g->has_cut; /* what is called, and has loops, would part the piece again */
    }
    return false;
}

static ir_unit *translate_region(pb_vcpu *vcpu, uint64_t pc, uint64_t key,
                                 const pb_region_request *request, ir_unit *reuse)
{
    region g = { .d = { .vcpu = vcpu,
                        .cpu = vcpu->type,
                        .u = reuse ? reuse : pb_ir_unit_new(vcpu->type),
                        .limits = { .max_insns = request->max_insns, .follow = true } },
                 .request = request };
    ir_unit *u = g.d.u;
    bool is_region;

    g.d.ctx = g_malloc0(MAX(g.d.cpu->translator->ctx_size, 1));
    pb_ir_unit_reset(u, g.d.cpu, pc, key);
    g.d.reader = (reader){ .head = { .size = sizeof(pb_code_reader), .read = read_code },
                           .vcpu = vcpu,
                           .u = u,
                           .mmu = g.d.cpu->translator->fetch_mmu(key),
                           .address_mask = ir_sem_mask(ir_type_bits[u->pc_type]) };
    if (PB_HAS(request, page) && request->page) {
        g.d.reader.apart = g.d.reader.pages[0].known = true;
        g.d.reader.pages[0].gva = pc & ~PB_PAGE_MASK;
        g.d.reader.pages[0].page = *request->page;
    }
    add_piece(&g, pc);
    is_region = make_region(&g);
    g_free(g.d.ctx);
    if (!is_region) {
        if (!reuse)
            pb_ir_unit_free(u);
        return NULL;
    }
    note_pages(&g.d);
    check(&g.d);
    if (hooks.unit)
        hooks.unit(vcpu, u);
    return u;
}

/* ---- the extension ----------------------------------------------------------------------------------- */

static void log_exec(pb_vcpu *vcpu, const ir_unit *unit)
{
    if (hooks.exec && (!hooks.exec_enabled || hooks.exec_enabled(vcpu)))
        hooks.exec(vcpu, unit);
}

static bool log_exec_enabled(pb_vcpu *vcpu)
{
    return steps(vcpu) || (hooks.exec && (!hooks.exec_enabled || hooks.exec_enabled(vcpu)));
}

static bool watched(void)
{
    return hooks.unit != NULL || hooks.insn != NULL;
}

const pb_translate_ops pb_translate_ops_table = {
    .size = sizeof(pb_translate_ops),
    .translate = translate,
    .unit_free = pb_ir_unit_free,
    .log_exec = log_exec,
    .log_exec_enabled = log_exec_enabled,
    .region = translate_region,
    .watched = watched,
    .translate_until = translate_until,
};
