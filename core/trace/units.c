/* Guest code in the log: `--log exec`, `--log in_asm` and `--log ir`. */
#include <core/ir/text.h>
#include <core/ir/translate.h>
#include <core/trace/symbols.h>
#include <core/trace/trace.h>
#include <core/vcpu/vcpu.h>

static bool exec_enabled(pb_vcpu *vcpu)
{
    return pb_trace_wants(PB_LOG_ITEM_EXEC);
}

static void log_exec(pb_vcpu *vcpu, const ir_unit *unit)
{
    g_autoptr(GString) text = g_string_new(NULL);
    char key[64] = "";

    if (!pb_trace_has(unit))
        return;
    if (unit->cpu->translator->key_text)
        unit->cpu->translator->key_text(unit->key, key, sizeof(key));
    g_string_printf(text, "exec cpu%u 0x%" PRIx64 " %s %u insns", vcpu->index, unit->pc, key,
                    unit->n_marks);
    pb_symbols_annotate(text, 0);
    pb_trace_line("%s", text->str);
}

static void show_code(pb_vcpu *vcpu, const ir_unit *unit)
{
    g_autoptr(GString) text = g_string_new(NULL);

    g_string_append_printf(text, "translate cpu%u 0x%" PRIx64, vcpu->index, unit->pc);
    for (uint32_t i = 0; i < unit->n_marks; i++) {
        uint8_t bytes[16];
        uint32_t length = MIN((uint32_t)unit->marks[i].length, (uint32_t)sizeof(bytes));

        g_string_append_c(text, '\n');
        if (pb_vcpu_peek(vcpu, unit->marks[i].pc, bytes, length)) {
            pb_trace_disassemble(unit->cpu, unit->marks[i].pc, bytes, length, text);
            g_string_truncate(text, text->len - 1);
        } else {
            g_string_append_printf(text, "0x%016" PRIx64 ":  not readable", unit->marks[i].pc);
        }
    }
    pb_symbols_annotate(text, 0);
    pb_trace_line("%s", text->str);
}

static void show_ir(pb_vcpu *vcpu, const ir_unit *unit)
{
    g_autoptr(GString) text = g_string_new(NULL);

    pb_ir_print(unit, text);
    if (text->len > 0 && text->str[text->len - 1] == '\n')
        g_string_truncate(text, text->len - 1);
    pb_symbols_annotate(text, 0);
    pb_trace_line("ir cpu%u\n%s", vcpu->index, text->str);
}

static void show_unit(pb_vcpu *vcpu, const ir_unit *unit)
{
    if (!pb_trace_has(unit))
        return;
    if (pb_trace_wants(PB_LOG_ITEM_IN_ASM))
        show_code(vcpu, unit);
    if (pb_trace_wants(PB_LOG_ITEM_IR))
        show_ir(vcpu, unit);
}

void pb_trace_watch_units(void)
{
    static const pb_translate_hooks hooks = { .unit = show_unit,
                                              .exec = log_exec,
                                              .exec_enabled = exec_enabled };

    /* Of CODE and PASSES nothing is shown here, but who makes units looks whether somebody watches (pb_translate_ops.watched): what a
     * compiler's thread emits has no vCPU to read the guest's memory by. */
    if (pb_trace_wants(PB_LOG_ITEM_EXEC) || pb_trace_wants(PB_LOG_ITEM_IN_ASM) ||
        pb_trace_wants(PB_LOG_ITEM_IR) || pb_trace_wants(PB_LOG_ITEM_CODE) ||
        pb_trace_wants(PB_LOG_ITEM_PASSES))
        pb_translate_set_hooks(&hooks);
}
