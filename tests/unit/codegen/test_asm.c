/*
 * The encoder against a disassembler: every form that rules use, over all registers, widths and shapes of memory operands.
 * Expected text is written by this file from the operands, read back by Capstone from the bytes.
 */
#include "../runner.h"

#include <asm.h>
#include <capstone.h>
#include <glib.h>

static csh handle;
static uint8_t bytes[256];
static uint32_t checked, wrong;

static const char *const names[4][16] = {
    { "al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil", "r8b", "r9b", "r10b", "r11b", "r12b",
      "r13b", "r14b", "r15b" },
    { "ax", "cx", "dx", "bx", "sp", "bp", "si", "di", "r8w", "r9w", "r10w", "r11w", "r12w", "r13w",
      "r14w", "r15w" },
    { "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "r8d", "r9d", "r10d", "r11d", "r12d",
      "r13d", "r14d", "r15d" },
    { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
      "r13", "r14", "r15" },
};
static const char *const sizes[5] = { "byte", "word", "dword", "qword", "xmmword" };

static asm_buffer begin(void)
{
    return (asm_buffer){ .start = bytes, .p = bytes, .end = bytes + sizeof(bytes) };
}

/* One instruction, of this text. */
static G_GNUC_PRINTF(2, 3) void expect(const asm_buffer *a, const char *format, ...)
{
    g_autofree char *wanted = NULL, *found = NULL;
    cs_insn *insn;
    va_list args;
    size_t n = cs_disasm(handle, bytes, (size_t)(a->p - a->start), 0, 0, &insn);

    va_start(args, format);
    wanted = g_strdup_vprintf(format, args);
    va_end(args);
    found = n ? g_strdup_printf("%s %s", insn[0].mnemonic, insn[0].op_str) : g_strdup("nothing");
    checked++;
    if (n != 1 || insn[0].size != (size_t)(a->p - a->start) || strcmp(found, wanted)) {
        if (wrong++ < 20)
            printf("\n%s, not %s (%zu)\n", found, wanted, n);
    }
    if (n)
        cs_free(insn, n);
}

static void done(void)
{
    printf("%u instructions ... ", checked);
    CU_ASSERT_TRUE(checked > 100);
    CU_ASSERT_EQUAL(wrong, 0);
    checked = wrong = 0;
}

/* ---- register to register ---------------------------------------------------------------------------------- */

#define EMIT(call)          \
    asm_buffer a = begin(); \
                            \
    call

static const char *const alu_names[] = { "add", "or", "adc", "sbb", "and", "sub", "xor", "cmp" };

static void pair(int d, int s, uint32_t w)
{
    for (uint32_t n = 0; n < 8; n++) {
        EMIT(asm_alu(&a, n, w, d, s));
        expect(&a, "%s %s, %s", alu_names[n], names[w][d], names[w][s]);
    }
    {
        EMIT(asm_test(&a, w, d, s));
        expect(&a, "test %s, %s", names[w][s], names[w][d]);
    }
    if (w >= W32) {
        {
            EMIT(asm_mov(&a, w, d, s));
            expect(&a, "mov %s, %s", names[w][d], names[w][s]);
        }
        {
            EMIT(asm_imul(&a, w, d, s));
            expect(&a, "imul %s, %s", names[w][d], names[w][s]);
        }
        {
            EMIT(asm_cmov(&a, CC_LE, w, d, s));
            expect(&a, "cmovle %s, %s", names[w][d], names[w][s]);
        }
        {
            EMIT(asm_rorx(&a, w, d, s, 7));
            expect(&a, "rorx %s, %s, 7", names[w][d], names[w][s]);
        }
        {
            EMIT(asm_pext(&a, w, d, s, (d + s) & 15));
            expect(&a, "pext %s, %s, %s", names[w][d], names[w][s], names[w][(d + s) & 15]);
        }
        {
            EMIT(asm_shiftx(&a, SHIFT_SAR, w, d, s, (d + s) & 15));
            expect(&a, "sarx %s, %s, %s", names[w][d], names[w][s], names[w][(d + s) & 15]);
        }
        {
            EMIT(asm_andn(&a, w, d, s, (d + s) & 15));
            expect(&a, "andn %s, %s, %s", names[w][d], names[w][s], names[w][(d + s) & 15]);
        }
    } else {
        {
            EMIT(asm_movzx(&a, w, d, s));
            expect(&a, "movzx %s, %s", names[W32][d], names[w][s]);
        }
        {
            EMIT(asm_movsx(&a, w, true, d, s));
            expect(&a, "movsx %s, %s", names[W64][d], names[w][s]);
        }
    }
}

static void registers(void)
{
    for (uint32_t w = W8; w <= W64; w++)
        for (int d = 0; d < 16; d++)
            for (int s = 0; s < 16; s++)
                pair(d, s, w);
    done();
}

static void one_register(void)
{
    static const char *const shifts[] = { "rol", "ror", "rcl", "rcr", "shl", "shr", NULL, "sar" };

    for (uint32_t w = W8; w <= W64; w++) {
        for (int r = 0; r < 16; r++) {
            for (uint32_t n = 0; n < 8; n++) {
                if (!shifts[n])
                    continue;
                {
                    EMIT(asm_shift_imm(&a, n, w, r, 5));
                    expect(&a, "%s %s, 5", shifts[n], names[w][r]);
                }
                {
                    EMIT(asm_shift_cl(&a, n, w, r));
                    expect(&a, "%s %s, cl", shifts[n], names[w][r]);
                }
            }
            {
                EMIT(asm_group3(&a, GROUP3_NEG, w, r));
                expect(&a, "neg %s", names[w][r]);
            }
            {
                EMIT(asm_group3(&a, GROUP3_IDIV, w, r));
                expect(&a, "idiv %s", names[w][r]);
            }
            {
                EMIT(asm_alu_imm(&a, ALU_ADD, w, r, 0x12));
                expect(&a, "add %s, 0x12", names[w][r]);
            }
            {
                EMIT(asm_test_imm(&a, w, r, 0x71));
                expect(&a, "test %s, 0x71", names[w][r]);
            }
            if (w >= W32) {
                EMIT(asm_bswap(&a, w, r));
                expect(&a, "bswap %s", names[w][r]);
            }
        }
    }
    for (int r = 0; r < 16; r++) {
        {
            EMIT(asm_mov_imm(&a, r, 0x12345678));
            expect(&a, "mov %s, 0x12345678", names[W32][r]);
        }
        {
            EMIT(asm_mov_imm(&a, r, UINT64_C(0x123456789abcdef0)));
            expect(&a, "movabs %s, 0x123456789abcdef0", names[W64][r]);
        }
        {
            EMIT(asm_mov_imm(&a, r, UINT64_MAX - 1));
            expect(&a, "mov %s, -2", names[W64][r]);
        }
        {
            EMIT(asm_setcc(&a, CC_A, r));
            expect(&a, "seta %s", names[W8][r]);
        }
        {
            EMIT(asm_push(&a, r));
            expect(&a, "push %s", names[W64][r]);
        }
        {
            EMIT(asm_jmp_reg(&a, r));
            expect(&a, "jmp %s", names[W64][r]);
        }
    }
    done();
}

/* ---- memory -------------------------------------------------------------------------------------------------- */

static char *memory_text(uint32_t size, asm_mem m)
{
    GString *s = g_string_new(NULL);

    g_string_append_printf(s, "%s ptr [", sizes[size]);
    g_string_append(s, names[W64][m.base]);
    if (m.index >= 0) {
        g_string_append_printf(s, " + %s", names[W64][m.index]);
        if (m.scale)
            g_string_append_printf(s, "*%d", 1 << m.scale);
    }
    if (m.disp)
        g_string_append_printf(s, m.disp < -9 || m.disp > 9 ? " %c 0x%x" : " %c %u",
                               m.disp < 0 ? '-' : '+', (unsigned)ABS(m.disp));
    g_string_append(s, "]");
    return g_string_free(s, false);
}

static void access_memory(int r, uint32_t w, asm_mem m)
{
    g_autofree char *at = memory_text(w, m), *at_16 = memory_text(4, m);

    {
        EMIT(asm_store(&a, w, m, r));
        expect(&a, "mov %s, %s", at, names[w][r]);
    }
    {
        EMIT(asm_load(&a, w, r, m));
        expect(&a, "%s %s, %s", w < W32 ? "movzx" : "mov", names[w < W32 ? W32 : w][r], at);
    }
    {
        EMIT(asm_alu_store(&a, ALU_XOR, w, m, r));
        expect(&a, "xor %s, %s", at, names[w][r]);
    }
    {
        EMIT(asm_alu_mem_imm(&a, ALU_CMP, w, m, 7));
        expect(&a, "cmp %s, 7", at);
    }
    if (w < W64)
        return;
    {
        EMIT(asm_sse_mem(&a, false, SSE_MOVAPS_LOAD, r, m));
        expect(&a, "movaps xmm%d, %s", r, at_16);
    }
    {
        EMIT(asm_sse_mem(&a, true, SSE_MOVUPS_STORE, r, m));
        expect(&a, "vmovups %s, xmm%d", at_16, r);
    }
    {
        EMIT(asm_sse_mem(&a, true, SSE_MOVQ_LOAD, r, m));
        expect(&a, "vmovq xmm%d, %s", r, at);
    }
}

static void memory(void)
{
    static const int32_t disps[] = { 0, 8, -128, 127, 0x1234, -0x12345678 };

    for (uint32_t w = W8; w <= W64; w++)
        for (int r = 0; r < 16; r++)
            for (int base = 0; base < 16; base++)
                for (uint32_t d = 0; d < G_N_ELEMENTS(disps); d++) {
                    int index = (base + r) & 15;

                    access_memory(r, w, asm_at(base, disps[d]));
                    if (index != RSP)
                        access_memory(r, w, asm_index(base, index, d & 3, disps[d]));
                }
    done();
}

static void vectors(void)
{
    for (int d = 0; d < 16; d++)
        for (int s = 0; s < 16; s++) {
            int t = (d + s) & 15;

            {
                EMIT(asm_sse2(&a, false, SSE_MOVAPS_LOAD, d, s));
                expect(&a, "movaps xmm%d, xmm%d", d, s);
            }
            {
                EMIT(asm_sse3(&a, true, SSE_PXOR, d, s, t));
                expect(&a, "vpxor xmm%d, xmm%d, xmm%d", d, s, t);
            }
            {
                EMIT(asm_sse3(&a, true, SSE_PSHUFB, d, s, t));
                expect(&a, "vpshufb xmm%d, xmm%d, xmm%d", d, s, t);
            }
            {
                EMIT(asm_sse2(&a, false, SSE_MOVD_LOAD | ASM_W, d, s));
                expect(&a, "movq xmm%d, %s", d, names[W64][s]);
            }
            {
                EMIT(asm_sse2(&a, true, SSE_MOVD_STORE | ASM_W, d, s));
                expect(&a, "vmovq %s, xmm%d", names[W64][s], d);
            }
        }
    done();
}

static void nops(void)
{
    for (uint32_t n = 1; n < 10; n++) {
        asm_buffer a = begin();
        cs_insn *insn;
        size_t found;

        asm_nop(&a, n);
        found = cs_disasm(handle, bytes, (size_t)(a.p - a.start), 0, 0, &insn);
        CU_ASSERT_EQUAL(found, 1);
        CU_ASSERT_EQUAL(a.p - a.start, n);
        if (found)
            cs_free(insn, found);
    }
}

/* A full buffer is said to be full, and nothing is written behind it. */
static void full(void)
{
    uint8_t small[80];
    asm_buffer a = { .start = small, .p = small, .end = small + 64 };

    memset(small, 0x55, sizeof(small));
    for (uint32_t i = 0; i < 100; i++)
        asm_mov_imm(&a, R15, UINT64_MAX / 3);
    CU_ASSERT_TRUE(a.full);
    for (uint32_t i = 64; i < sizeof(small); i++)
        CU_ASSERT_EQUAL(small[i], 0x55);
}

int main(void)
{
    static const unit_case cases[] = {
        { "two registers", registers },
        { "one register", one_register },
        { "memory", memory },
        { "vectors", vectors },
        { "nothing", nops },
        { "no room", full },
        { 0 },
    };
    int status;

    if (cs_open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK)
        return 2;
    status = unit_run("encoder", cases);
    cs_close(&handle);
    return status;
}
