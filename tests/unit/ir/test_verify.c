/*
 * The verifier: every rule has a unit that breaks it, and nothing but it.
 */
#include <core/ir/text.h>
#include <core/ir/verify.h>

#include "../runner.h"
#include "toy.h"

static ir_unit *parse(const char *body)
{
    ir_unit *u = pb_ir_unit_new(&toy_type);
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_strconcat("unit toy pc=0 key=0\n", body, NULL);

    if (!pb_ir_parse(u, &toy_type, text, &error)) {
        printf("\n%s\n%s\n", error->message, text);
        CU_FAIL("the test's text is wrong");
    }
    return u;
}

static void check(const ir_unit *u, const char *message)
{
    g_autoptr(GError) error = NULL;
    bool ok = pb_ir_verify(u, &error);

    if (!message) {
        if (!ok)
            printf("\n%s\n", error->message);
        CU_ASSERT_TRUE(ok);
        return;
    }
    CU_ASSERT_FALSE(ok);
    if (ok || !strstr(error->message, message)) {
        printf("\n'%s', expected '%s'\n", ok ? "accepted" : error->message, message);
        CU_FAIL("another message");
    }
}

/* The text is refused for the reason; null: it is accepted. */
static void verify(const char *body, const char *message)
{
    g_autoptr(ir_unit) u = parse(body);

    check(u, message);
}

/* One operation in a unit that is correct otherwise. */
static void one(const char *line, const char *message)
{
    g_autofree char *body = g_strconcat("b0:\n  insn 0 4\n  ", line, "\n  jump 4:i64\n", NULL);

    verify(body, message);
}

static void types(void)
{
    one("%0:i32 = add 1:i32, 2:i32", NULL);
    one("%0:i32 = add 1:i32, 2:i64", "operand 2 cannot have the type i64");
    one("%0:i64 = add 1:i32, 2:i32", "operand 1 cannot have the type i32");
    one("%0:f32 = add 1:f32, 2:f32", "its result cannot have the type f32");
    one("%0:i1 = and 1:i1, 0:i1", NULL);
    one("%0:i1 = add 1:i1, 0:i1", "its result cannot have the type i1");
    one("%0:i128 = add 0x0_0000000000000001:i128, 0x0_0000000000000001:i128",
        "its result cannot have the type i128");
    one("%0:i32 = select 1:i1, 2:i32, 3:i16", "operand 3 cannot have the type i16");
    one("%0:i64 = ld 0:i16 {size=8 le}", "operand 1 cannot have the type i16");
    one("%0:i16 = zext 1:i32", "narrower than the operand");
    one("%0:i32 = trunc 1:i16", "wider than the operand");
    one("%0:i32 = bitcast 1:f64", "not the same width");
    one("%0:v64 = bitcast 1:f64", NULL);
    one("%0:fl = bitcast 1:i32", "a flags bundle has no bits");
    one("%0:v256 = v.zero", "its result cannot have the type v256");
}

static void attributes(void)
{
    one("%0:i32 = extract 1:i32 {lsb=8 len=24}", NULL);
    one("%0:i32 = extract 1:i32 {lsb=8 len=25}", "attribute len is out of range");
    one("%0:i32 = extract 1:i32 {lsb=0x20 len=1}", "attribute lsb is out of range");
    one("%0:i32 = extract 1:i32 {lsb=0 len=0}", "attribute len is out of range");
    one("%0:v64 = v.shl 1:v64 {es=1 n=16}", NULL);
    one("%0:v64 = v.shl 1:v64 {es=1 n=17}", "attribute n is out of range");
    one("%0:i16 = v.lane 1:v64 {es=1 n=4}", "attribute n is out of range");
    one("%0:i8 = v.lane 1:v64 {es=1 n=3}", "the result is narrower than a lane");
    one("%0:v64 = v.dup 1:i8 {es=1}", "operand 1 is narrower than a lane");
    one("%0:v64 = v.zip 1:v64, 1:v64 {es=3}", "two lanes or more");
    one("%0:f32 = fadd 1:f32, 1:f32 {rm=6}", "attribute rm is out of range");
    one("%0:i1 = flbit 0:fl {n=1}", "attribute n is out of range");
    one("%0:v64 = v.rev 1:v64 {es=2 n=1}", "attribute n is out of range");
    one("%0:v128 = v.pmull 1:v64, 1:v64 {es=1}", "attribute es is out of range");
}

static void memory(void)
{
    one("%0:i32 = ld 0:i64 {size=8 le}", "more bytes than its type has");
    one("%0:v128 = ld 0:i64 {size=16 le}", NULL);
    one("%0:v128 = ld 0:i64 {size=8 le}", NULL);
    one("%0:f64 = ld 0:i64 {size=4 le}", "floats are loaded and stored whole");
    one("%0:v64 = ld 0:i64 {size=4 le signed}", "only integers");
    one("%0:i32 = ld 0:i64 {size=4 le order=release}", "a load cannot release");
    one("st 0:i64, 1:i32 {size=4 le order=acquire}", "a store cannot acquire");
    one("%0:i32 = rmw 0:i64, 1:i32 {size=4 le sub=0xf}", "attribute sub is out of range");
    one("st 0:i64, 1:i1 {size=1 le}", "operand 2 cannot have the type i1");
}

static void state(void)
{
    one("%0:i32 = get {slot=x0}", "slot x0 has the type i64");
    one("put 1:i32 {slot=x0}", "slot x0 has the type i64");
    one("%0:i64 = get {slot=pc}", "the pc slot is not for IR");
    one("put 1:i64 {slot=pc}", "the pc slot is not for IR");
    one("%0:i64 = get {slot=0x100}", "there are 34 slots");
    one("%0:i64 = get.idx 1:i32 {slot=x0 n=8}", NULL);
    one("%0:i64 = get.idx 1:i32 {slot=x0 n=9}", "slot i1a has the type i1");
    one("put.idx 1:i32, 1:i64 {slot=0x1f n=0xff}", "there are 34 slots");
    one("%0:i64 = get.idx 1:i32 {slot=x0 n=0}", "attribute n is out of range");
}

static void helpers(void)
{
    one("%0:i64 = call 1:i64, 2:i64 {helper=sum}", NULL);
    one("%0:i64 = call 1:i64 {helper=sum}", "sum has 2 arguments, not 1");
    one("%0:i32 = call 1:i64, 2:i64 {helper=sum}", "sum gives i64");
    one("call 1:i64, 2:i64 {helper=sum}", "sum gives i64");
    one("%0:i64 = call 1:i64, 2:i32 {helper=sum}", "argument 2 of sum is i64, not i32");
    one("call {helper=0x63}", "there are 7 helpers");
}

static void control(void)
{
    verify("b0:\n  exit 0:i64 {n=1}\n", NULL);
    verify("b0:\n  exit 0:i64\n", "attribute n is out of range");
    verify("b0:\n  jump 0:i32\n", "the pc slot has the type i64");
    verify("b0:\n  %0:i64 = get {slot=x0}\n  jump %0\n", "use jump.ind");
    verify("b0:\n  jump 0:i64 {n=3}\n", "attribute n is out of range");
    verify("b0:\n  jump 0:i64 {n=0x80}\n", NULL);
    verify("b0:\n  jump.ind 0:i64 {n=3}\n", "attribute n is out of range");
    verify("b0:\n  br -> b1(1:i32)\nb1(%0:i32):\n  jump 0:i64\n", NULL);
    verify("b0:\n  br -> b1\nb1(%0:i32):\n  jump 0:i64\n", "b1 has 1 parameters, not 0");
    verify("b0:\n  br -> b1(1:i64)\nb1(%0:i32):\n  jump 0:i64\n", "has not the type i32");
    verify("b0:\n  br -> b0\n", "nothing branches to the first block");
    verify("b0:\n  jump 0:i64\nb1:\n  jump 0:i64\n", "the block cannot be reached");
}

static void layout(void)
{
    g_autoptr(ir_unit) u = parse("b0:\n  %0:i64 = get {slot=x0}\n  jump 0:i64\n");

    check(u, NULL);
    u->ops[0].op = IR_OP_COUNT;
    check(u, "record 0 has no operation");
    u->ops[0].op = IR_OP_PARAM;
    check(u, "parameters come first");
    u->ops[0].op = IR_OP_EXIT;
    check(u, "a terminator in the middle");
    u->ops[0].op = IR_OP_GET;
    u->ops[1].op = IR_OP_GET;
    check(u, "does not end with a terminator");
    u->ops[1].op = IR_OP_JUMP;
    u->blocks[0].end = 3;
    check(u, "make no sense");
    u->blocks[0].end = 0;
    check(u, "not built");
    u->blocks[0].end = 2;
    u->blocks[0].first = 1;
    check(u, "record 0 stands outside");
    u->blocks[0].first = 0;
    u->ops[1].arg[0] = 99 | IR_CONST_BIT;
    check(u, "operand 1 does not exist");
    u->ops[1].arg[0] = 1 << 1;
    check(u, "operand 1 does not exist");
    u->ops[1].arg[0] = 0 << 1 | 1;
    check(u, "operand 1 does not exist");
    u->ops[1].n_args = 200;
    check(u, "outside of the unit's words");
    u->n_blocks = 0;
    check(u, "no blocks");
}

static void constants(void)
{
    g_autoptr(ir_unit) u = parse("b0:\n  %0:i1 = not 1:i1\n  jump 0:i64\n");

    check(u, NULL);
    u->consts[0].value.lo = 3;
    check(u, "does not fit i1");
    u->consts[0].type = IR_VOID;
    check(u, "has no type");
    u->consts[0].type = 99;
    check(u, "has no type");
}

static void branches_out_of_range(void)
{
    g_autoptr(ir_unit) u = parse("b0:\n  br -> b1\nb1:\n  jump 0:i64\n");

    u->extra[1] = 1000;
    check(u, "outside of the unit's words");
    u->extra[1] = 0;
    u->extra[0] = 7;
    check(u, "there is no block b7");
}

static void dominance(void)
{
    verify("b0:\n  %0:i64 = get {slot=x0}\n  br.if 1:i1 -> b1, b2\n"
           "b1:\n  %1:i64 = neg %0\n  br -> b3\n"
           "b2:\n  br -> b3\n"
           "b3:\n  %2:i64 = neg %0\n  jump.ind %2\n",
           NULL);
    verify("b0:\n  %0:i64 = get {slot=x0}\n  br.if 1:i1 -> b1, b2\n"
           "b1:\n  %1:i64 = neg %0\n  br -> b3\n"
           "b2:\n  br -> b3\n"
           "b3:\n  %2:i64 = neg %1\n  jump.ind %2\n",
           "it uses a value of b1, which is not on every way here");
    verify("b0:\n  br.if 1:i1 -> b1, b2\n"
           "b1:\n  %0:i64 = get {slot=x0}\n  br -> b3(%0)\n"
           "b2:\n  br -> b3(%0)\n"
           "b3(%1:i64):\n  jump.ind %1\n",
           "it uses a value of b1, which is not on every way here");
    /* A loop: what is defined in front of it may be used in it. */
    verify("b0:\n  %0:i64 = get {slot=x0}\n  br -> b1(4:i64)\n"
           "b1(%1:i64):\n  %2:i64 = sub %1, 1:i64\n  %3:i1 = eq %2, 0:i64\n  br.if %3 -> b2, b3\n"
           "b3:\n  br -> b1(%2)\n"
           "b2:\n  %4:i64 = add %0, %2\n  jump.ind %4\n",
           NULL);
}

static void use_before_definition(void)
{
    g_autoptr(ir_unit) u = parse("b0:\n  %0:i64 = neg 1:i64\n  %1:i64 = neg %0\n  jump 0:i64\n");

    u->ops[0].arg[0] = 1 << 1;
    check(u, "defined below");
}

static void marks(void)
{
    verify("b0:\n  %0:i8 = ld 0:i64 {size=1 le}\n  jump 0:i64\n",
           "belongs to no guest instruction");
    verify("b0:\n  call 1:i64 {helper=note}\n  jump 0:i64\n", "belongs to no guest instruction");
    verify("b0:\n  %0:i64 = call 1:i64, 1:i64 {helper=sum}\n  jump 0:i64\n", NULL);
    /* A block goes on with the instruction of the blocks before it. */
    verify("b0:\n  insn 0 4\n  br.if 1:i1 -> b1, b2\n"
           "b1:\n  %0:i8 = ld 0:i64 {size=1 le}\n  br -> b3\n"
           "b2:\n  br -> b3\n"
           "b3:\n  %1:i8 = ld 0:i64 {size=1 le}\n  jump 0:i64\n",
           NULL);
    /* Two ways from two instructions: only a new mark makes it precise again. */
    verify("b0:\n  insn 0 4\n  br.if 1:i1 -> b1, b2\n"
           "b1:\n  insn 4 4\n  br -> b3\n"
           "b2:\n  br -> b3\n"
           "b3:\n  %1:i8 = ld 0:i64 {size=1 le}\n  jump 0:i64\n",
           "belongs to no guest instruction");
    verify("b0:\n  insn 0 4\n  br.if 1:i1 -> b1, b2\n"
           "b1:\n  insn 4 4\n  br -> b3\n"
           "b2:\n  br -> b3\n"
           "b3:\n  insn 8 4\n  %1:i8 = ld 0:i64 {size=1 le}\n  jump 0:i64\n",
           NULL);
    /* A block that is built later, but runs in the first instruction. */
    verify("b0:\n  insn 0 4\n  br.if 1:i1 -> b2, b1\n"
           "b1:\n  insn 4 4\n  jump 8:i64\n"
           "b2:\n  %0:i8 = ld 0:i64 {size=1 le}\n  jump 8:i64\n",
           "belongs to another guest instruction");
}

static void broken_marks(void)
{
    g_autoptr(ir_unit) u = parse("b0:\n  insn 0 4\n  insn 4 4\n  jump 0:i64\n");

    u->marks[1].record = 0;
    check(u, "instruction mark 1 does not fit");
    u->marks[1].record = 77;
    check(u, "instruction mark 1 does not fit");
    u->marks[1].record = 1;
    check(u, NULL);
    u->n_marks = 1;
    check(u, "it has no mark of its own");
}

static void faults_after_puts(void)
{
    one("put 1:i64 {slot=x0}\n  %0:i8 = ld 0:i64 {size=1 le}", "after a slot was put");
    one("%0:i8 = ld 0:i64 {size=1 le}\n  put 1:i64 {slot=x0}", NULL);
    one("put 1:i64 {slot=x0}\n  st 0:i64, 1:i8 {size=1 le}", "after a slot was put");
    one("put 1:i64 {slot=x0}\n  %0:i1 = stx 0:i64, 1:i8 {size=1 le}", "after a slot was put");
    one("put.idx 1:i32, 1:i64 {slot=x0 n=2}\n  %0:i8 = ld 0:i64 {size=1 le}",
        "after a slot was put");
    one("put 1:i64 {slot=x0}\n  %0:i8 = call 0:i64 {helper=check}", "after a slot was put");
    one("put 1:i64 {slot=x0}\n  call 0:i64 {helper=note}", NULL);
    one("put 1:i64 {slot=x0}\n  insn 4 4\n  %0:i8 = ld 0:i64 {size=1 le}", NULL);
    /* On one of two ways. */
    verify("b0:\n  insn 0 4\n  br.if 1:i1 -> b1, b2\n"
           "b1:\n  put 1:i64 {slot=x0}\n  br -> b2\n"
           "b2:\n  %0:i8 = ld 0:i64 {size=1 le}\n  jump 0:i64\n",
           "after a slot was put");
    /* Around a loop. */
    verify("b0:\n  insn 0 4\n  br -> b1\n"
           "b1:\n  %0:i8 = ld 0:i64 {size=1 le}\n  put 1:i64 {slot=x0}\n  br.if 1:i1 -> b1, b2\n"
           "b2:\n  jump 0:i64\n",
           "after a slot was put");
}

int main(void)
{
    static const unit_case cases[] = {
        { "types", types },
        { "attributes", attributes },
        { "memory attributes", memory },
        { "slots", state },
        { "helpers", helpers },
        { "leaving and branching", control },
        { "layout of records and blocks", layout },
        { "constants", constants },
        { "branch words out of range", branches_out_of_range },
        { "dominance", dominance },
        { "use before definition", use_before_definition },
        { "instruction marks", marks },
        { "broken marks", broken_marks },
        { "faults after puts", faults_after_puts },
        { 0 },
    };

    return unit_run("IR verifier", cases);
}
