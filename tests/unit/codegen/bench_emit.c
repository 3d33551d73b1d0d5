/*
 * What the code generator makes of a few units, and how long it takes: host code, bytes and nanoseconds for each guest
 * instruction. A tool, not a test.
 *
 * usage: bench_emit codegen.so OPTIONS [--show]
 */
#include "jit.h"

#include <core/ir/text.h>
#include <core/ir/unit.h>
#include <core/ir/verify.h>

#include <stdlib.h>

typedef struct sample {
    const char *name, *text;
} sample;

static const sample samples[] = {
    { "loop: ldr x2, [x0], #8; add x3, x3, x2; subs x1, x1, #1; b.ne",
      "unit toy pc=0x100 key=0x0\n"
      "b0:\n"
      "  insn 0x100 4\n"
      "  %0:i64 = get {slot=x0}\n"
      "  %1:i64 = add %0, 8:i64\n"
      "  %2:i64 = ld %0 {size=8 le}\n"
      "  put %1 {slot=x0}\n"
      "  put %2 {slot=x2}\n"
      "  insn 0x104 4\n"
      "  %3:i64 = get {slot=x3}\n"
      "  %4:i64 = get {slot=x2}\n"
      "  %5:i64 = add %3, %4\n"
      "  put %5 {slot=x3}\n"
      "  insn 0x108 4\n"
      "  %6:i64 = get {slot=x1}\n"
      "  %7:i64, %8:fl = sub.fl %6, 1:i64\n"
      "  put %8 {slot=fla}\n"
      "  put %7 {slot=x1}\n"
      "  insn 0x10c 4\n"
      "  %9:fl = get {slot=fla}\n"
      "  br.ne %9 -> b1, b2\n"
      "b1:\n"
      "  jump 0x100:i64\n"
      "b2:\n"
      "  jump 0x110:i64\n" },
    { "call: stp x4, x5, [x3, #-16]!; mov w0, w1; bl", "unit toy pc=0x100 key=0x0\n"
                                                       "b0:\n"
                                                       "  insn 0x100 4\n"
                                                       "  %0:i64 = get {slot=x3}\n"
                                                       "  %1:i64 = add %0, 0xfffffffffffffff0:i64\n"
                                                       "  %2:i64 = get {slot=x4}\n"
                                                       "  st %1, %2 {size=8 le span=1}\n"
                                                       "  %3:i64 = add %1, 8:i64\n"
                                                       "  %4:i64 = get {slot=x5}\n"
                                                       "  st %3, %4 {size=8 le span=1}\n"
                                                       "  put %1 {slot=x3}\n"
                                                       "  insn 0x104 4\n"
                                                       "  %5:i64 = get {slot=x1}\n"
                                                       "  %6:i32 = trunc %5\n"
                                                       "  %7:i64 = zext %6\n"
                                                       "  put %7 {slot=x0}\n"
                                                       "  insn 0x108 4\n"
                                                       "  put 0x10c:i64 {slot=x7}\n"
                                                       "  jump 0x2000:i64\n" },
    { "return: ldp x4, x5, [x3], #16; ret", "unit toy pc=0x100 key=0x0\n"
                                            "b0:\n"
                                            "  insn 0x100 4\n"
                                            "  %0:i64 = get {slot=x3}\n"
                                            "  %1:i64 = add %0, 0x10:i64\n"
                                            "  %2:i64 = ld %0 {size=8 le span=1}\n"
                                            "  %3:i64 = add %0, 8:i64\n"
                                            "  %4:i64 = ld %3 {size=8 le span=1}\n"
                                            "  put %1 {slot=x3}\n"
                                            "  put %2 {slot=x4}\n"
                                            "  put %4 {slot=x5}\n"
                                            "  insn 0x104 4\n"
                                            "  %5:i64 = get {slot=x7}\n"
                                            "  jump.ind %5 {n=2}\n" },
    { "string: ldrb w2, [x0, x1]; tbnz w2, #7; cmp w2, #10; b.hi; add w3, w3, w2, lsl #2",
      "unit toy pc=0x100 key=0x0\n"
      "b0:\n"
      "  insn 0x100 4\n"
      "  %0:i64 = get {slot=x0}\n"
      "  %1:i64 = get {slot=x1}\n"
      "  %2:i64 = add %0, %1\n"
      "  %3:i64 = ld %2 {size=1 le}\n"
      "  put %3 {slot=x2}\n"
      "  insn 0x104 4\n"
      "  %4:i64 = get {slot=x2}\n"
      "  %5:i64 = and %4, 0x80:i64\n"
      "  %6:i1 = ne %5, 0:i64\n"
      "  br.if %6 -> b1, b2\n"
      "b1:\n"
      "  jump 0x200:i64\n"
      "b2:\n"
      "  insn 0x108 4\n"
      "  %7:i64 = get {slot=x2}\n"
      "  %8:i32 = trunc %7\n"
      "  %9:i32, %10:fl = sub.fl %8, 0xa:i32\n"
      "  put %10 {slot=fla}\n"
      "  insn 0x10c 4\n"
      "  %11:fl = get {slot=fla}\n"
      "  br.hi %11 -> b3, b4\n"
      "b3:\n"
      "  jump 0x300:i64\n"
      "b4:\n"
      "  insn 0x110 4\n"
      "  %12:i64 = get {slot=x3}\n"
      "  %13:i32 = trunc %12\n"
      "  %14:i64 = get {slot=x2}\n"
      "  %15:i32 = trunc %14\n"
      "  %16:i32 = shl %15, 2:i32\n"
      "  %17:i32 = add %13, %16\n"
      "  %18:i64 = zext %17\n"
      "  put %18 {slot=x3}\n"
      "  jump 0x114:i64\n" },
};

int main(int argc, char **argv)
{
    bool show = argc > 3 && !strcmp(argv[3], "--show");
    toy_machine *m = toy_new();
    accel a;

    if (argc < 3)
        return 2;
    jit_open(argv[1]);
    jit_set(argv[2]);
    accel_use_type(&jit_type);
    a = accel_new(m, 0);
    for (uint32_t i = 0; i < G_N_ELEMENTS(samples); i++) {
        g_autoptr(ir_unit) u = pb_ir_unit_new(&toy_type);
        g_autoptr(GError) error = NULL;
        uint32_t bytes;
        double ns;

        if (!pb_ir_parse(u, &toy_type, samples[i].text, &error) || !pb_ir_verify(u, &error)) {
            printf("%s: %s\n", samples[i].name, error->message);
            return 1;
        }
        ns = jit_time(&a, u, 2000, &bytes);
        printf("%s\n  %.0f ns, %u bytes for each instruction\n", samples[i].name, ns / u->n_marks,
               bytes / u->n_marks);
        if (show)
            jit_show(&a, u);
    }
    accel_free(&a);
    toy_free(m);
    return 0;
}
