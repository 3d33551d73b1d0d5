/* Seeing what `patchbay run` translated: perf's files, and the hottest units. */
#include "seeing.h"

#include <core/tc/seeing.h>
#include <stdio.h>

bool seeing_begin(const seeing_options *o, GError **error)
{
    const pb_seeing_options wanted = {
        .perf_map = o->perf_map, .jitdump = o->jitdump, .hot = o->hot > 0, .gdb = o->gdb
    };

    if (o->hot < 0) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--hot takes a number of units, not %d", o->hot);
        return false;
    }
    return pb_seeing_begin(&wanted, error);
}

void seeing_report(const seeing_options *o)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (o->hot <= 0)
        return;
    pb_seeing_hot((unsigned)o->hot, text);
    fputs(text->str, stderr);
}

bool seeing_end(GError **error)
{
    return pb_seeing_end(error);
}

void seeing_options_finish(seeing_options *o)
{
    g_free(o->perf_map);
    g_free(o->jitdump);
}
