# Waits until the test process has ended (standard input ends), then kills what is left of it and removes its folder.
trap '' INT TERM HUP
read -r root
name=${root##*/}
cat > /dev/null

# Processes that name the folder in their arguments, or work in it. The folder is not an argument of what runs here.
left() {
  {
    printf '%s' "$name" | grep -lsFf - /proc/[0-9]*/cmdline
    find /proc -maxdepth 2 -name cwd -lname "*/$name*" 2> /dev/null
  } | cut -d/ -f3 | sort -u
}
# The children first: those of a server have titles of their own.
kill_tree() {
  for child in $(cat "/proc/$1/task/"*/children 2> /dev/null); do kill_tree "$child"; done
  kill -9 "$1" 2> /dev/null
}
tries=0
while [ "$tries" -lt 50 ]; do
  found=$(left)
  [ -z "$found" ] && [ "$tries" -gt 0 ] && break
  for process in $found; do kill_tree "$process"; done
  tries=$((tries + 1))
  sleep 0.1
done
rm -rf "$root" "/dev/shm/$name"
