//! What never changes about the tools of the larger groups.

use super::{Facts, Tool, reads, writes};
use crate::tools::toolset::Toolset;

impl Tool {
    pub(super) const fn people(self) -> Facts {
        match self {
            Self::GetPerson => {
                let document = include_str!("getPerson.json");
                let facts = reads("getPerson", Toolset::People, "contacts.read", document);
                Facts { permissions: &["User.ReadBasic.All", "User.Read", "Contacts.Read"], ..facts }
            }
            _ => {
                let document = include_str!("getContacts.json");
                let facts = reads("getContacts", Toolset::People, "contacts.read", document);
                Facts { permissions: &["Contacts.Read", "People.Read", "User.ReadBasic.All"], ..facts }
            }
        }
    }

    pub(super) const fn files(self) -> Facts {
        let (name, document, writing) = match self {
            Self::SearchFiles => ("searchFiles", include_str!("searchFiles.json"), false),
            Self::ReadFile => ("readFile", include_str!("readFile.json"), false),
            Self::UploadFile => ("uploadFile", include_str!("uploadFile.json"), true),
            Self::ShareFile => ("shareFile", include_str!("shareFile.json"), true),
            _ => ("listFiles", include_str!("listFiles.json"), false),
        };
        if writing {
            let facts = writes(name, Toolset::Files, "files.write", document);
            return Facts { permissions: &["Files.ReadWrite.All"], destructive: true, ..facts };
        }
        let facts = reads(name, Toolset::Files, "files.read", document);
        Facts { permissions: &["Files.ReadWrite.All", "Sites.Read.All"], pages: true, ..facts }
    }

    pub(super) const fn tasks(self) -> Facts {
        let permissions = &["Tasks.ReadWrite"];
        match self {
            Self::SaveTask => {
                let document = include_str!("saveTask.json");
                let permissions = &["Tasks.ReadWrite", "MailboxSettings.Read"];
                Facts { permissions, ..writes("saveTask", Toolset::Tasks, "tasks.write", document) }
            }
            _ => {
                let document = include_str!("listTasks.json");
                let facts = reads("listTasks", Toolset::Tasks, "tasks.read", document);
                Facts { permissions, pages: true, ..facts }
            }
        }
    }

    pub(super) const fn mail_reading(self) -> Facts {
        let (name, document, pages) = match self {
            Self::SearchEmails => ("searchEmails", include_str!("searchEmails.json"), true),
            Self::ReadEmail => ("readEmail", include_str!("readEmail.json"), true),
            Self::ListMailFolders => ("listMailFolders", include_str!("listMailFolders.json"), true),
            Self::GetAttachment => ("getAttachment", include_str!("getAttachment.json"), true),
            Self::CheckRecipients => ("checkRecipients", include_str!("checkRecipients.json"), false),
            _ => ("getEmails", include_str!("getEmails.json"), true),
        };
        Facts { permissions: &["Mail.Read"], pages, ..reads(name, Toolset::Mail, "mail.read", document) }
    }

    pub(super) const fn mail_writing(self) -> Facts {
        let document = match self {
            Self::ReplyEmail => include_str!("replyEmail.json"),
            Self::DraftEmail => include_str!("draftEmail.json"),
            Self::OrganizeEmail => include_str!("organizeEmail.json"),
            _ => include_str!("sendEmail.json"),
        };
        let sending = &["Mail.Send", "Mail.ReadWrite", "Mail.Read"];
        let facts = writes("sendEmail", Toolset::Mail, "mail.send", document);
        match self {
            Self::ReplyEmail => {
                Facts { name: "replyEmail", permissions: sending, destructive: true, ..facts }
            }
            Self::DraftEmail => {
                Facts { name: "draftEmail", scope: "mail.write", permissions: &["Mail.ReadWrite"], ..facts }
            }
            Self::OrganizeEmail => Facts {
                name: "organizeEmail",
                scope: "mail.write",
                permissions: &["Mail.ReadWrite"],
                ..facts
            },
            _ => Facts { permissions: sending, destructive: true, ..facts },
        }
    }
}
