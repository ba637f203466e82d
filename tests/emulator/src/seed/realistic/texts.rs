//! The words of the realistic tenant: what mails are about, who writes from outside. `{n}` stands for a number,
//! `{who}` for a given name. No address here may be a real one.

/// What a conversation is about: the subject, the folder that it is filed in later, what is written.
pub type Topic = (&'static str, &'static str, &'static [&'static str]);

/// Topics of the inside.
pub const INSIDE: [Topic; 16] = [
    (
        "Shift plan week {n}",
        "Operations",
        &[
            "The plan for week {n} is attached to the channel. Two gaps are left on Wednesday.",
            "{who} can take the late shift on Wednesday.",
            "Thanks, then week {n} is complete.",
        ],
    ),
    (
        "Forklift inspection {n}",
        "Operations",
        &[
            "Forklift {n} failed its inspection: the hydraulic hose leaks.",
            "The spare part arrives on Thursday; until then please use number 7.",
            "Part is in, the forklift is released again.",
        ],
    ),
    (
        "Cost centre {n}: overrun",
        "Budget",
        &[
            "Cost centre {n} is 6 % above plan, mostly freight.",
            "Freight went up in March. Can we move the difference to the reserve?",
            "Approved for this quarter. {who}, please post it.",
            "Posted under document {n}.",
        ],
    ),
    (
        "Forecast round {n}",
        "Budget",
        &[
            "Please send your numbers for forecast round {n} until Friday noon.",
            "Ours are in the sheet. The energy price is the one open point.",
        ],
    ),
    (
        "Interview feedback candidate {n}",
        "Hiring",
        &[
            "Strong on process, less so on tools. I would invite for a second round.",
            "Agreed. {who} sets up the second conversation.",
        ],
    ),
    (
        "Release {n} of the scanner app",
        "",
        &[
            "Release {n} goes live on Monday 06:00 UTC. The rollback takes ten minutes.",
            "Tested in the Basel warehouse, all green.",
            "One report of a slow login, {who} is looking at it.",
            "It was the proxy, not us.",
        ],
    ),
    (
        "Access to share {n}",
        "",
        &["Could you give me read access to share {n}?", "Done, please sign in again."],
    ),
    (
        "Visitors on floor {n}",
        "",
        &["We expect visitors on floor {n} tomorrow from ten to twelve. Please keep the kitchen tidy."],
    ),
    (
        "Safety walk {n}",
        "Operations",
        &[
            "Findings of safety walk {n}: two blocked exits, one missing sign.",
            "Exits are free again.",
            "The sign is ordered.",
        ],
    ),
    (
        "Carrier tender {n}",
        "Suppliers",
        &[
            "Four offers are in for tender {n}. The cheapest one lacks insurance.",
            "Then number two. {who}, please ask for their references.",
            "References are good. Shall I send the award letter?",
        ],
    ),
    (
        "Training catalogue {n}",
        "Hiring",
        &["The new catalogue has {n} courses. Seats are given out by date of booking."],
    ),
    (
        "Lunch on Thursday?",
        "",
        &["Thursday 12:15, the usual place?", "Works for me.", "I am away, next week then."],
    ),
    (
        "Minutes of the round {n}",
        "",
        &[
            "Minutes attached. Decisions: pallets are counted monthly, the night gate closes at ten.",
            "Please correct item 3: it was 2.4 tonnes.",
        ],
    ),
    ("Parking space {n}", "", &["Space {n} is free from next month. Who needs it most?"]),
    (
        "Printer on floor {n}",
        "",
        &["The printer on floor {n} prints stripes.", "Cartridge replaced, please try again."],
    ),
    (
        "Stocktaking: difference {n}",
        "Operations",
        &[
            "We miss {n} boxes of article 4410 in aisle 12.",
            "They are booked on aisle 21. {who} corrects it.",
        ],
    ),
];

/// Topics with the outside.
pub const OUTSIDE: [Topic; 10] = [
    (
        "Offer {n}",
        "Suppliers",
        &[
            "Please find our offer {n} attached. It holds for thirty days.",
            "Thank you. Could you include delivery to Basel?",
            "Included, total 4,{n}.00 EUR.",
        ],
    ),
    (
        "Invoice {n}",
        "Suppliers",
        &["Invoice {n} is due on the last of the month.", "Paid today, value date tomorrow."],
    ),
    (
        "Your order {n} has shipped",
        "Suppliers",
        &["Two parcels are on their way. Tracking number: CH{n}880."],
    ),
    (
        "Complaint {n}: damaged pallet",
        "Customers",
        &[
            "Pallet {n} arrived damaged, see the pictures.",
            "We are sorry. A replacement leaves tonight.",
            "Arrived in good order, thank you.",
        ],
    ),
    (
        "Northwind: call-off {n}",
        "Northwind",
        &[
            "We call off {n} units for the coming month.",
            "Confirmed. Two deliveries, on the 5th and on the 19th.",
        ],
    ),
    (
        "Northwind: service level report {n}",
        "Northwind",
        &[
            "Report {n} is ready: 98.{n} % on time.",
            "Good figures. What happened on the 14th?",
            "A closed pass. It is in the annex.",
        ],
    ),
    (
        "Meeting room offer {n}",
        "Travel",
        &["We hold the room for you until Friday.", "Please keep it, we confirm tomorrow."],
    ),
    (
        "Booking confirmation {n}",
        "Travel",
        &["Your train is booked, seat {n}, coach 4. The ticket is in the app."],
    ),
    (
        "Question about article {n}",
        "Customers",
        &["Is article {n} certified for food?", "Yes, the certificate is attached."],
    ),
    (
        "Visit next month",
        "Customers",
        &[
            "{who} and I would like to visit the warehouse. Which week suits you?",
            "The second one, Tuesday to Thursday.",
        ],
    ),
];

/// Newsletters and machines: sender's name, address, subject, text.
pub const BULK: [(&str, &str, &str, &str); 6] = [
    (
        "Logistics Weekly",
        "news@logisticsweekly.example",
        "Logistics Weekly {n}",
        "Rates, routes and rules of the week.",
    ),
    ("Monitoring", "alerts@contoso.example", "[info] nightly backup {n} finished", "All volumes were saved."),
    ("Travel Office", "bookings@northwind.example", "Expense reminder {n}", "Please hand in your receipts."),
    ("Fabrikam Shop", "shop@fabrikam.example", "Offer of the month {n}", "Tape, labels, gloves."),
    ("Building Services", "facilities@contoso.example", "Lift {n} out of service", "Maintenance until noon."),
    (
        "Conference Desk",
        "hello@litware.example",
        "Call for papers {n}",
        "Share what worked and what did not.",
    ),
];

/// Given names of people outside.
pub const GIVEN: [&str; 20] = [
    "Amara", "Björn", "Chiara", "Dmitri", "Eszter", "Farid", "Gudrun", "Hiro", "Ines", "Jonas", "Katya",
    "Lukas", "Mona", "Nils", "Olga", "Pascal", "Renée", "Stefan", "Tuva", "Yasmin",
];

/// Surnames of people outside.
pub const SURNAMES: [&str; 20] = [
    "Abt", "Bianchi", "Costa", "Dubois", "Eriksen", "Ferrari", "Gruber", "Haas", "Ito", "Jansson",
    "Kowalski", "Lind", "Müller", "Nagy", "Okoye", "Peeters", "Ricci", "Sato", "Tóth", "Weiss",
];

/// Companies outside: name and domain.
pub const COMPANIES: [(&str, &str); 8] = [
    ("Northwind", "northwind.example"),
    ("Fabrikam", "fabrikam.example"),
    ("Adatum", "adatum.example"),
    ("Litware", "litware.example"),
    ("Tailspin Toys", "tailspin.example"),
    ("Woodgrove Bank", "woodgrove.example"),
    ("Proseware", "proseware.example"),
    ("Alpine Ski House", "alpineski.example"),
];
