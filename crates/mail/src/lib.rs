//! SES: sends mails.

mod sender;

pub use sender::SesMailSender;
