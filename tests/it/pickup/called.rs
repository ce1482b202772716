//! Files whose names hold their number of rows.

use super::*;

#[test]
fn an_acknowledgement_of_a_file_named_by_its_rows_is_found() {
    let rig = Rig::new(&PIPELINE.replace("%Y%m%d}.csv", "%Y%m%d}_{count}.csv"));
    says(&rig, "{ack_file: {name: \"{name}.ack\", deadline: 4h, every: 1h}}");
    let run = delivered(&rig);
    let name = rig.arrived().remove(0);
    assert!(name.starts_with("completions_20261123_") && name.ends_with(".csv"), "{name}");
    let mut looks = Looks::new(rig);
    std::fs::write(inbound(&looks.rig, &format!("{name}.ack")), "ok").unwrap();
    looks.after(HOUR);
    assert_eq!(looks.state(&run), "picked_up");
    assert_eq!(verified(&looks.rig, &run, 0), ["data picked_up", "done present"]);
}
