use serde_json::{Value, json};

use super::{Folder, ask_python};

/// A return like the ILR's: a namespace of the year, a header block, nested records, optional elements.
const RETURN: &str = r##"
artifact:
  name: ILR.xml
  xml:
    root: Message
    namespace: ESFA/ILR/2026-27
    namespaces: {xsi: "http://www.w3.org/2001/XMLSchema-instance"}
    omit_null: true
    tree:
      "@xsi:schemaLocation": ESFA/ILR/2026-27 ILR.xsd
      Header:
        CollectionDetails: {Collection: ILR, Year: 2627, FilePreparationDate: 2026-11-23}
        Source: {ProtectiveMarking: OFFICIAL-SENSITIVE-Personal, UKPRN: 10001234, Note: "R&D <'\"'> ]]>"}
      Learner:
        each_row:
          LearnRefNumber: {expr: ref}
          ULN: {expr: uln}
          Name: {"@lang": {expr: lang}, "@title": {expr: title}, "#text": {expr: name}}
          Contact: [{expr: email}, {expr: phone}]
          LearningDelivery:
            - {LearnAimRef: {expr: aim}, Score: {expr: "cast(score as decimal(5, 2))"}}
            - {LearnAimRef: ZPROG001}
      Footer: {Count: {expr: 1 + 1}}
"##;

const ROWS: &str = "ref,uln,lang,title,name,email,phone,aim,score\n\
    L1,1000000001,en,\"a \"\"b\"\"\tc\nd\r<&>\",\"Zoë <b>&amp; 'x' ]]>\ttab\r\nline\",a@acme.example,0123,60001,92.5\n\
    L2,1000000002,,,😀,b@acme.example,,60002,\n";

const SCHEMA: &str = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="ESFA/ILR/2026-27"
    targetNamespace="ESFA/ILR/2026-27" elementFormDefault="qualified">
  <xs:element name="Message"><xs:complexType><xs:sequence>
    <xs:element name="Header"><xs:complexType><xs:sequence>
      <xs:element name="CollectionDetails"><xs:complexType><xs:sequence>
        <xs:element name="Collection" type="xs:string"/><xs:element name="Year" type="xs:int"/>
        <xs:element name="FilePreparationDate" type="xs:date"/>
      </xs:sequence></xs:complexType></xs:element>
      <xs:element name="Source"><xs:complexType><xs:sequence>
        <xs:element name="ProtectiveMarking" type="xs:string"/><xs:element name="UKPRN" type="xs:int"/>
        <xs:element name="Note" type="xs:string"/>
      </xs:sequence></xs:complexType></xs:element>
    </xs:sequence></xs:complexType></xs:element>
    <xs:element name="Learner" maxOccurs="unbounded"><xs:complexType><xs:sequence>
      <xs:element name="LearnRefNumber" type="xs:string"/><xs:element name="ULN" type="xs:long"/>
      <xs:element name="Name"><xs:complexType><xs:simpleContent><xs:extension base="xs:string">
        <xs:attribute name="lang" type="xs:language"/><xs:attribute name="title" type="xs:string"/>
      </xs:extension></xs:simpleContent></xs:complexType></xs:element>
      <xs:element name="Contact" type="xs:string" minOccurs="1" maxOccurs="2"/>
      <xs:element name="LearningDelivery" minOccurs="2" maxOccurs="2"><xs:complexType><xs:sequence>
        <xs:element name="LearnAimRef" type="xs:string"/><xs:element name="Score" type="xs:decimal" minOccurs="0"/>
      </xs:sequence></xs:complexType></xs:element>
    </xs:sequence></xs:complexType></xs:element>
    <xs:element name="Footer"><xs:complexType><xs:sequence><xs:element name="Count" type="xs:int"/></xs:sequence></xs:complexType></xs:element>
  </xs:sequence></xs:complexType></xs:element>
</xs:schema>"#;

/// Parses with `lxml`, validates, and returns each element as its name, attributes, text and children.
const PARSE: &str = r#"
from lxml import etree
root = etree.fromstring(bytes(question["bytes"]))
if question["schema"]:
    etree.XMLSchema(etree.fromstring(question["schema"].encode())).assertValid(root)
def element(one):
    name = etree.QName(one)
    children = [element(child) for child in one]
    return [name.localname, dict(one.attrib), "" if children else one.text or "", children]
json.dump([root.nsmap.get(None), element(root)], sys.stdout)
"#;

fn parse(bytes: &[u8], schema: &str) -> Value {
    ask_python(PARSE, &json!({"bytes": bytes, "schema": schema}))
}

#[test]
fn a_return_is_valid_by_its_xsd_and_has_the_values_of_the_rows() {
    let bytes = Folder::new(RETURN, ROWS).delivered("ILR.xml");
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(
        text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Message xmlns=\"ESFA/ILR/2026-27\""),
        "{text}"
    );
    let [namespace, root] = serde_json::from_value::<[Value; 2]>(parse(&bytes, SCHEMA)).unwrap();
    assert_eq!(namespace, "ESFA/ILR/2026-27");
    assert_eq!(
        root[1],
        json!({"{http://www.w3.org/2001/XMLSchema-instance}schemaLocation": "ESFA/ILR/2026-27 ILR.xsd"})
    );
    let children = root[3].as_array().unwrap();
    assert_eq!(children.len(), 4);
    assert_eq!(children[0][3][1][3][2], json!(["Note", {}, "R&D <'\"'> ]]>", []]));
    let leaf = |name: &str, text: &str| json!([name, {}, text, []]);
    let aim = |aim: &str, score: &[Value]| json!(["LearningDelivery", {}, "", aim_of(leaf("LearnAimRef", aim), score)]);
    assert_eq!(
        children[1],
        json!(["Learner", {}, "", [
            leaf("LearnRefNumber", "L1"), leaf("ULN", "1000000001"),
            ["Name", {"lang": "en", "title": "a \"b\"\tc\nd\r<&>"}, "Zoë <b>&amp; 'x' ]]>\ttab\r\nline", []],
            leaf("Contact", "a@acme.example"), leaf("Contact", "0123"),
            aim("60001", &[leaf("Score", "92.50")]), aim("ZPROG001", &[]),
        ]])
    );
    assert_eq!(
        children[2],
        json!([
            "Learner",
            {},
            "",
            [
                leaf("LearnRefNumber", "L2"),
                leaf("ULN", "1000000002"),
                ["Name", {}, "😀", []],
                leaf("Contact", "b@acme.example"),
                aim("60002", &[]),
                aim("ZPROG001", &[]),
            ]
        ]),
        "what has no value is left out"
    );
    assert_eq!(children[3], json!(["Footer", {}, "", [leaf("Count", "2")]]));
}

#[test]
fn without_a_value_elements_are_empty_and_without_rows_the_document_is_whole() {
    let keys = "artifact:\n  name: out.xml\n  xml:\n    root: R\n    declaration: false\n    tree:\n      \
        Rows: {Row: [{Kind: first}, {each_row: {\"@a\": {expr: a}, b: {expr: b}}}, last]}\nexpect: {when_empty: send}\n";
    let text = |rows: &str| String::from_utf8(Folder::new(keys, rows).delivered("out.xml")).unwrap();
    assert_eq!(
        text("a,b\n1,\n,2\n"),
        "<R><Rows><Row><Kind>first</Kind></Row>\n<Row a=\"1\"><b/></Row>\n<Row a=\"\"><b>2</b></Row>\n<Row>last</Row></Rows></R>\n"
    );
    assert_eq!(text("a,b\n"), "<R><Rows><Row><Kind>first</Kind></Row>\n<Row>last</Row></Rows></R>\n");
}

#[test]
fn a_character_that_xml_cannot_have_ends_the_run() {
    let keys =
        "artifact: {name: out.xml, xml: {root: R, tree: {Row: {each_row: {t: {expr: t}, \"@u\": {expr: t}}}}}}\n";
    for (cell, name) in [("\u{1}", "U+0001"), ("\u{1f}", "U+001F"), ("\u{ffff}", "U+FFFF"), ("\u{fffe}", "U+FFFE")] {
        let said = Folder::new(keys, &format!("t\nfine\nbad{cell}\n")).failure();
        assert!(said.contains("record 2 (line 3), column \\\"t\\\"") && said.contains(name), "{said}");
        assert!(said.contains("which XML 1.0 cannot have"), "{said}");
    }
    for cell in ["\u{7f}", "\u{85}", "\u{fffd}", "\u{10ffff}", "\u{2028}"] {
        let bytes = Folder::new(keys, &format!("t\n{cell}\n")).delivered("out.xml");
        assert_eq!(parse(&bytes, "")[1][3][0][3][0][2], cell, "{cell:?}");
        assert_eq!(parse(&bytes, "")[1][3][0][1]["u"], cell, "{cell:?}");
    }
}

#[test]
fn mistakes_are_found_before_there_are_rows() {
    let told = |xml: &str| Folder::new(&format!("artifact:\n  name: out.xml\n  xml: {xml}\n"), "a\n").problems();
    for (xml, part) in [
        ("{tree: {Row: {each_row: 1}}}", "`root` is missing in `artifact.xml`"),
        ("{root: R}", "`tree` is missing in `artifact.xml`"),
        ("{root: R, tree: {Row: 1}}", "the document has no place for the rows"),
        ("{root: R, tree: {each_row: {Row: 1}}}", "the content of the root element is a table of elements"),
        ("{root: R, tree: [{each_row: {Row: 1}}]}", "the content of the root element is a table of elements"),
        ("{root: 1R, tree: {Row: {each_row: 1}}}", "\"1R\" cannot be a name in XML"),
        ("{root: R, tree: {Learner name: {each_row: 1}}}", "\"Learner name\" cannot be a name in XML"),
        ("{root: R, tree: {x:Row: {each_row: 1}}}", "the prefix \"x\" has no namespace"),
        ("{root: R, namespaces: {xmlx: u}, tree: {Row: {each_row: 1}}}", "\"xmlx\" cannot be a prefix in XML"),
        ("{root: R, namespaces: {x: \"\"}, tree: {Row: {each_row: 1}}}", "the prefix \"x\" has no namespace"),
        ("{root: R, tree: {\"@xmlns\": u, Row: {each_row: 1}}}", "namespaces are declared at the root element"),
        ("{root: R, tree: {\"@a\": [1], Row: {each_row: 1}}}", "`@a` has one value, and no elements"),
        ("{root: R, tree: {\"#text\": {each_row: 1}}}", "`#text` has one value, and no elements"),
        ("{root: R, tree: {Row: [[{each_row: 1}]]}}", "a list within a list has no name for its elements"),
        ("{root: R, tree: {Row: {each_row: \"\\x01\"}}}", "the character U+0001 cannot be in XML 1.0"),
    ] {
        let said = told(xml);
        assert!(said.contains(part), "{xml}: {part}: {said}");
    }
}

#[test]
fn explain_names_the_elements() {
    let said = crate::stage::rig::both(&Folder::new(RETURN, ROWS).call(&["explain", "tree"]));
    for part in [
        "It is an XML file called ILR.xml",
        "The root element is Message of the namespace ESFA/ILR/2026-27.",
        "The document has once:",
        "For each row there is an element Learner:",
        "Name.@lang is \"lang\", left out where there is none",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// Returns the children of a learning delivery.
fn aim_of(aim: Value, score: &[Value]) -> Vec<Value> {
    [&[aim], score].concat()
}
