/*
 * Disassembly by Capstone, which is opened when something is disassembled: its tables need 80 000 relocations, a
 * millisecond that a run without such a log does not have to spend.
 */
#include <capstone.h>
#include <core/trace/trace.h>
#include <gmodule.h>

typedef struct functions {
    cs_err (*open)(cs_arch arch, cs_mode mode, csh *handle);
    cs_err (*close)(csh *handle);
    cs_insn *(*new_insn)(csh handle);
    void (*free_insn)(cs_insn *insn, size_t count);
    bool (*next)(csh handle, const uint8_t **bytes, size_t *length, uint64_t *pc, cs_insn *insn);
} functions;

static bool find(GModule *module, const char *name, void *function)
{
    gpointer symbol = NULL;

    if (!g_module_symbol(module, name, &symbol))
        return false;
    memcpy(function, &symbol, sizeof(symbol));
    return true;
}

static bool find_all(GModule *module, functions *f)
{
    return find(module, "cs_open", &f->open) && find(module, "cs_close", &f->close) &&
           find(module, "cs_malloc", &f->new_insn) && find(module, "cs_free", &f->free_insn) &&
           find(module, "cs_disasm_iter", &f->next);
}

/* Null: there is none, which is said once. */
static const functions *capstone(void)
{
    static functions found;
    static gsize state; /* 1: there it is, 2: there is none */

    if (g_once_init_enter(&state)) {
        GModule *module =
            g_module_open(PB_CAPSTONE_LIBRARY, G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);
        bool ok = module && find_all(module, &found);

        if (!ok)
            g_warning("there is no disassembly: %s", g_module_error());
        if (module)
            g_module_make_resident(module);
        g_once_init_leave(&state, ok ? 1 : 2);
    }
    return state == 1 ? &found : NULL;
}

static void append_bytes(GString *text, uint64_t pc, const uint8_t *bytes, size_t length)
{
    g_string_append_printf(text, "0x%016" PRIx64 ":  ", pc);
    for (size_t i = 0; i < length; i++)
        g_string_append_printf(text, "%02x", bytes[i]);
}

static void disassemble(cs_arch arch, cs_mode mode, size_t step, uint64_t pc, const uint8_t *bytes,
                        size_t length, GString *text)
{
    const functions *cs = capstone();
    cs_insn *insn = NULL;
    csh handle = 0;

    if (cs && cs->open(arch, mode, &handle) == CS_ERR_OK)
        insn = cs->new_insn(handle);
    while (length > 0) {
        const uint8_t *before = bytes;
        uint64_t here = pc;

        if (insn && cs->next(handle, &bytes, &length, &pc, insn)) {
            append_bytes(text, here, before, (size_t)(bytes - before));
            g_string_append_printf(text, "  %s %s\n", insn->mnemonic, insn->op_str);
        } else {
            size_t n = MIN(step, length);

            append_bytes(text, pc, bytes, n);
            g_string_append(text, "  ?\n");
            bytes += n;
            pc += n;
            length -= n;
        }
    }
    if (insn)
        cs->free_insn(insn, 1);
    if (handle)
        cs->close(&handle);
}

void pb_trace_disassemble(const pb_cpu_type *type, uint64_t pc, const uint8_t *bytes, size_t length,
                          GString *text)
{
    disassemble((cs_arch)type->capstone.arch, (cs_mode)type->capstone.mode,
                type->insn_align ? type->insn_align : 1, pc, bytes, length, text);
}

void pb_trace_disassemble_host(uint64_t pc, const uint8_t *bytes, size_t length, GString *text)
{
#if defined(__x86_64__)
    disassemble(CS_ARCH_X86, CS_MODE_64, 1, pc, bytes, length, text);
#elif defined(__aarch64__)
    disassemble(CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN, 4, pc, bytes, length, text);
#else
    append_bytes(text, pc, bytes, length);
    g_string_append_c(text, '\n');
#endif
}
