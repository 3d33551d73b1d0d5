/*
 * Pages about types, from their tables: `patchbay describe`, the reference, the list of what is not modelled. Types
 * may come from manifests (pb_plugin_host_describe).
 */
#ifndef CORE_DEVICE_DESCRIBE_H
#define CORE_DEVICE_DESCRIBE_H

#include <glib.h>
#include <patchbay/plugin.h>

/* The type as the machine file spells it: "pl011", "virtio/blk"; free it. */
char *pb_type_text(const pb_plugin *plugin, const pb_class *class);

/* What a property takes: "a size, 4KiB to 1GiB", "one of hvc, smc"; free it. */
char *pb_property_form(const pb_prop *prop);

/* A regular expression for the texts that a property of numbers takes; free it. Null: not numbers. */
char *pb_property_pattern(const pb_prop *prop);

/* Append a description for a terminal. */
void pb_describe_type(const pb_plugin *plugin, const pb_class *class, GString *text);

/* Append a page of Markdown. */
void pb_reference_page(const pb_plugin *plugin, const pb_class *class, GString *text);

/* Append one line a gap (`  field UARTCR.SIREN: SIR enable`) and return their number; text may be null. */
unsigned pb_report_missing(const pb_class *class, GString *text);

#endif
