
# Completes the names of one kind, as the settings and the ledger of this command line have them.
_reportferry_values() {
    local -a line config values
    line=(${(z)BUFFER})
    local at=${line[(I)--config]}
    (( at )) && config=(--config "${(Q)line[at + 1]}")
    values=(${(f)"$(reportferry $config complete $1 2>/dev/null)"})
    compset -P '*,'
    compadd -a values
}
