//! Names, branches and courses for the rows; cells that need quotes have them already.

/// First and last names that belong together, by alphabet. The last set is rare.
pub(super) const PEOPLE: &[(&[&str], &[&str])] = &[
    (
        &["Anna", "James", "Maria", "David", "Grace", "Liam", "Olivia", "Noah", "Emma", "Samuel"],
        &["Smith", "Johnson", "O'Brien", "Garcia", "Martin", "Lee", "Walker", "\"King, Jr.\"", "Baker", "Clark"],
    ),
    (
        &["Zoë", "José", "Łukasz", "Søren", "Jürgen", "Élodie", "Çağla", "Åsa", "Dušan", "Ñusta"],
        &["Müller", "Peña", "Wójcik", "Sørensen", "Lefèvre", "Öztürk", "Škvorecký", "Åkesson", "D'Àngelo", "Gonçalves"],
    ),
    (&["Γιώργος", "Ελένη", "Νίκος", "Σοφία"], &["Παπαδόπουλος", "Αντωνίου", "Γεωργίου", "Νικολαΐδου"]),
    (&["Иван", "Ольга", "Сергей", "Наталья"], &["Иванов", "Петрова", "Кузнецов", "Соколова"]),
    (&["伟", "芳", "太郎", "花子", "민준"], &["王", "李", "佐藤", "鈴木", "김"]),
    (&["محمد", "فاطمة", "علي", "ليلى"], &["الأحمد", "حسن", "الخطيب", "منصور"]),
    (&["Kim 🚀", "Robin 🌱"], &["Field", "Stone"]),
];

pub(super) const BRANCHES: &[&str] = &[
    "Headquarters",
    "\"Sales, EMEA\"",
    "\"Sales, Americas\"",
    "Manufacturing / Plant 2",
    "Forschung & Entwicklung",
    "\"Support \"\"24x7\"\"\"",
    "物流センター",
    "Retail",
];

/// Code and title.
pub(super) const COURSES: &[(&str, &str)] = &[
    ("GDPR-101", "Data Protection Basics"),
    ("GDPR-201", "\"Data Protection, Advanced\""),
    ("SAFE-001", "Workplace Safety"),
    ("SAFE-002", "\"Fire, Smoke and First Aid\""),
    ("ETH-100", "Code of Conduct"),
    ("ETH-110", "\"The \"\"Speak Up\"\" Line\""),
    ("SEC-010", "Phishing and Passwords"),
    ("SEC-020", "Sécurité des informations"),
    ("AML-001", "Anti-Money Laundering"),
    ("AML-002", "\"Sanctions, Embargoes, Export Control\""),
    ("HR-300", "Leading Teams"),
    ("HR-310", "Führung für Einsteiger"),
    ("OPS-007", "Lockout / Tagout"),
    ("OPS-008", "フォークリフト安全講習"),
    ("ENV-050", "Waste & Recycling"),
    ("0042", "Course with a numeric code"),
    ("QA-001", "\"Good Manufacturing Practice\nPart 1\""),
    ("QA-002", "=Good Manufacturing Practice 2"),
    ("FIN-120", "Expense Reports"),
    ("IT-400", "Spreadsheet Basics"),
    ("IT-410", "Introduction to SQL; with exercises"),
    ("MED-001", "HIPAA Essentials"),
    ("MED-002", "Infection Control"),
    ("ONB-000", "Welcome aboard 🎉"),
];
