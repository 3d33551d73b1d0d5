/*
 * The text form of IR: what is printed is read, what is wrong is refused with line and column.
 */
#include <core/ir/text.h>
#include <core/ir/verify.h>

#include "../runner.h"
#include "toy.h"

static char *print(const ir_unit *u)
{
    GString *out = g_string_new(NULL);

    pb_ir_print(u, out);
    return g_string_free(out, false);
}

/* Reads, verifies and prints: the same text again. */
static void same(const char *text)
{
    g_autoptr(ir_unit) u = pb_ir_unit_new(&toy_type);
    g_autoptr(GError) error = NULL;
    g_autofree char *again = NULL;

    if (!pb_ir_parse(u, &toy_type, text, &error) || !pb_ir_verify(u, &error)) {
        printf("\n%s\n", error->message);
        CU_FAIL("refused");
        return;
    }
    again = print(u);
    if (strcmp(text, again))
        printf("\n%s\nbecame\n%s\n", text, again);
    CU_ASSERT_STRING_EQUAL(text, again);
}

static void round_trip(void)
{
    same("unit toy pc=0x400800 key=0x3\n"
         "b0:\n"
         "  insn 0x400800 4 aux=0xa5\n"
         "  %0:i64 = get {slot=x0}\n"
         "  %1:i32 = ld %0 {size=4 le align=4 mmu=1 span=1 element=2}\n"
         "  %2:i32, %3:fl = sub.fl %1, 7:i32\n"
         "  put %2 {slot=i32a}\n"
         "  br.hi %3 -> b1(%2, %0), b2\n"
         "b1(%4:i32, %5:i64):\n"
         "  insn 0x400804 4\n"
         "  %6:i16 = ld %5 {size=2 be signed align=1 order=acquire kind=stack}\n"
         "  %7:i32 = sext %6\n"
         "  %8:i32 = rmw %5, %7 {size=4 le align=4 atomic order=seq-cst sub=smax}\n"
         "  %9:v128 = v.add 0x123456789abcdef0_000000000000000f:v128, 0x0_0000000000000001:v128 "
         "{es=2}\n"
         "  %10:i16 = v.lane %9 {es=1 n=3}\n"
         "  %11:i64 = call %5, 0x10:i64 {helper=sum}\n"
         "  %12:i64 = call %5, 1:i64, 2:i64, 3:i64, 4:i64, %11 {helper=six}\n"
         "  call %12 {helper=note}\n"
         "  %13:f64 = fma 0:f64, 0:f64, 0:f64 {rm=0xf env=1 neg=3}\n"
         "  put %13 {slot=f64a}\n"
         "  put.idx %11, %12 {slot=x1 n=4}\n"
         "  br -> b3\n"
         "b2:\n"
         "  %14:i1 = set.cc %3\n"
         "  br.if %14 -> b4, b5\n"
         "b4:\n"
         "  jump 0x400820:i64\n"
         "b5:\n"
         "  exit 0x400808:i64 {n=3}\n"
         "b3:\n"
         "  jump.ind %5 {n=0x82}\n");
}

/* The text is refused at the place, for the reason. */
static void refused(const char *text, const char *message)
{
    g_autoptr(ir_unit) u = pb_ir_unit_new(&toy_type);
    g_autoptr(GError) error = NULL;

    CU_ASSERT_FALSE(pb_ir_parse(u, &toy_type, text, &error));
    if (!error || strcmp(error->message, message))
        printf("\n'%s', expected '%s'\n", error ? error->message : "accepted", message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(error);
    CU_ASSERT_STRING_EQUAL(error->message, message);
}

#define HEAD "unit toy pc=0x0 key=0x0\nb0:\n"

static void errors(void)
{
    refused("", "1:1: expected 'unit '");
    refused("unit x86 pc=0 key=0\n", "1:6: the unit is for 'x86', not for 'toy'");
    refused("unit toy pc=0 key=zero\n", "1:19: expected a number");
    refused("unit toy pc=0x10000000000000000 key=0\n",
            "1:13: the number is larger than 0xffffffffffffffff");
    refused("unit toy pc=0 key=0 more\n", "1:21: expected the end of the line");
    refused(HEAD "  frobnicate 1:i32\n", "3:3: 'frobnicate' is no operation");
    refused(HEAD "  %0:i32 = add 1:i32, 2:i33\n", "3:25: 'i33' is no type");
    refused(HEAD "  %0:i8 = add 256:i8, 2:i8\n", "3:15: the constant does not fit its type");
    refused(HEAD "  %0:i32 = add %1, 2:i32\n", "3:16: %1 is not defined above");
    refused(HEAD "  %0:i32 = neg 1:i32\n  %0:i32 = neg 1:i32\n", "4:3: %0 is defined already");
    refused(HEAD "  %0:i32 = add 1:i32\n", "3:3: add has 2 operands, not 1");
    refused(HEAD "  add 1:i32, 1:i32\n", "3:3: add has 1 results");
    refused(HEAD "  %0:i32, %1:i32 = sub.fl 1:i32, 1:i32\n",
            "3:3: the second result of sub.fl is fl");
    refused(HEAD "  %0:i64 = get {slot=x9}\n", "3:22: toy has no slot 'x9'");
    refused(HEAD "  %0:i64 = get {slut=x0}\n", "3:17: get has no attribute 'slut'");
    refused(HEAD "  call 1:i64 {helper=nix}\n", "3:22: toy has no helper 'nix'");
    refused(HEAD "  %0:i8 = ld 0:i64 {size=3 le}\n", "3:26: not a power of two");
    refused(HEAD "  %0:i8 = ld 0:i64 {size=1 fast=1}\n", "3:28: 'fast' is no memory attribute");
    refused(HEAD "  br -> b1\n", "4:1: block b1 is named but not there");
    refused(HEAD "b1:\n  jump 0:i64\n",
            "3:1: the block before has no end: a jump, a branch or an exit");
    refused(HEAD "  jump 0:i64\nb0:\n", "4:1: block b0 stands there twice");
    refused(HEAD "  jump 0:i64\n  jump 0:i64\n", "4:3: expected a block's label");
    refused(HEAD "  %0:i64 = get {slot=x0}\n",
            "4:1: the last block has no end: a jump, a branch or an exit");
    refused(HEAD "  br -> x\n", "3:9: expected a block: b0, b1 ...");
    refused(HEAD "  br -> b99999999\n", "3:10: the number is larger than 0xffff");
}

/* Builder's misuse is noted, and harms nothing. */
static void misuse(void)
{
    g_autoptr(ir_unit) u = pb_ir_unit_new(&toy_type);
    g_autoptr(GError) error = NULL;
    ir_builder b = pb_ir_builder(u);

    ir_add(&b, ir_none(), ir_imm64(&b, 1));
    ir_jump(&b, 0);
    CU_ASSERT_TRUE(u->overflow);
    CU_ASSERT_STRING_EQUAL(u->misuse, "an operation was emitted outside of a block");
    CU_ASSERT_FALSE(pb_ir_verify(u, &error));

    pb_ir_unit_reset(u, &toy_type, 0, 0);
    b = pb_ir_builder(u);
    u->max_records = 4 * u->cap_ops;
    ir_block_begin(&b, ir_block_new(&b));
    for (uint32_t i = 0; i < 1 << 16; i++)
        ir_put(&b, ir_imm64(&b, i), TOY_X);
    CU_ASSERT_TRUE(u->overflow);
    CU_ASSERT_PTR_NULL(u->misuse);
}

int main(void)
{
    static const unit_case cases[] = {
        { "what is printed is read", round_trip },
        { "errors have line and column", errors },
        { "misuse of the builder is harmless", misuse },
        { 0 },
    };

    return unit_run("IR text", cases);
}
